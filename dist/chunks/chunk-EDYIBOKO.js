var s={info(){},warning(){},raw(){},progress(){}};export{s as a};
