(* config.ml of a MirageOS site that is served from a tar image on a block device. *)
open Mirage

(* The name of the device in the kernel's manifest, and so the input "device" of the workflow. On Solo5 targets it is a
   name; on Unikraft it is the number of the device; on unix it is a file. *)
let storage =
  if_impl Key.is_solo5 (block_of_file "storage")
    (if_impl Key.is_unikraft (block_of_file "0") (block_of_file "data.img"))

(* Only names are kept in memory; contents are read from the device when they are asked for. *)
let data = tar_kv_ro storage
let stack = generic_stackv4v6 default_network
let main = main "Dispatch.HTTP" (kv_ro @-> stackv4v6 @-> job)
let () = register "www" [ main $ data $ stack ]
