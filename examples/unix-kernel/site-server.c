/*
 * The example unikernel's behaviour as a host executable (Mirage's target "unix"): serves the
 * files of a tar volume over HTTP/1.1. The host supplies what ../kernel has to bring itself, so
 * this is the short version of the same story. One thread per connection, the volume in a mapping.
 *
 *     site-server IMAGE [--port=N] [--fault=panic|never-listen|status|hang|flood|exit]
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 512, REQUEST_MAX = 8192, NAME_MAX_BYTES = 511 };

static const char *volume, *fault = "";
static size_t capacity;

/* The sum of a header's bytes with its checksum field (148 to 155) counted as spaces. */
static unsigned long checksum(const unsigned char *header)
{
    unsigned long sum = 0;

    for (int i = 0; i < BLOCK; i++)
        sum += i >= 148 && i < 156 ? ' ' : header[i];
    return sum;
}

/*
 * Looks a file up by walking the archive: regular files of the ustar format with GNU 'L' records
 * for long names, anything else is refused. Mapped memory makes the walk cheap enough to do without
 * an index; the walk at start-up, for no name at all, is what checks the volume.
 */
static const char *find(const char *wanted, size_t *size)
{
    static const char zero[2 * BLOCK];
    char name[NAME_MAX_BYTES + 1] = "", field[13] = "";
    bool is_long = false;

    for (size_t at = 0;;) {
        const char *h = volume + at, *body = h + BLOCK;
        if (at + sizeof zero > capacity)
            errx(1, "panic: truncated image: no end of archive within %zu bytes", capacity);
        if (memcmp(h, zero, sizeof zero) == 0)
            return NULL;
        if (memcmp(h + 257, "ustar", 5) != 0
            || strtoul(h + 148, NULL, 8) != checksum((const unsigned char *)h))
            errx(1, "panic: malformed tar: no valid ustar header at byte %zu", at);
        *size = strtoull(memcpy(field, h + 124, 12), NULL, 8);
        if (!is_long) /* GNU's magic goes on with a space, and its prefix field is no prefix */
            snprintf(name, sizeof name, "%.155s%s%.100s", h[262] ? "" : h + 345,
                     !h[262] && h[345] ? "/" : "", h);
        if (*size > capacity - at - BLOCK)
            errx(1, "panic: truncated image: %s ends at byte %zu, the volume at %zu", name,
                 at + BLOCK + *size, capacity);
        is_long = h[156] == 'L';
        if (is_long && (*size == 0 || *size > sizeof name))
            errx(1, "panic: malformed tar: long name of %zu bytes at byte %zu", *size, at);
        if (is_long)
            snprintf(name, sizeof name, "%.*s", (int)*size, body);
        else if (h[156] != '0' && h[156] != '\0')
            errx(1, "panic: malformed tar: %s has type '%c'", name, h[156]);
        else if (strcmp(strncmp(name, "./", 2) == 0 ? name + 2 : name, wanted) == 0)
            return body;
        at += BLOCK + (*size + BLOCK - 1) / BLOCK * BLOCK;
    }
}

static const char *content_type(const char *name)
{
    static const char *const types[][2] = {
        {".html", "text/html; charset=utf-8"}, {".css", "text/css; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"}, {".txt", "text/plain; charset=utf-8"},
        {".json", "application/json"}, {".svg", "image/svg+xml"}, {".png", "image/png"}};
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++)
        if (strcmp(dot, types[i][0]) == 0)
            return types[i][1];
    return "application/octet-stream";
}

/* Percent-decodes the path of a target up to '?'; false if it is none or holds a NUL. */
static bool decode(char *out, const char *in)
{
    if (*in != '/')
        return false;
    for (; *in && *in != '?'; in++, out++) {
        char digits[3] = "";
        if ((*out = *in) != '%')
            continue;
        memcpy(digits, in + 1, strnlen(in + 1, 2));
        if (!isxdigit((unsigned char)digits[0]) || !isxdigit((unsigned char)digits[1])
            || !(*out = (char)strtoul(digits, NULL, 16)))
            return false;
        in += 2;
    }
    *out = 0;
    return true;
}

/* Reads one request and answers it. False ends the connection. */
static bool respond(FILE *in, FILE *out)
{
    char line[REQUEST_MAX], method[16] = "", target[REQUEST_MAX] = "", path[REQUEST_MAX + 32];
    int minor = 0;
    const char *content = NULL;
    size_t length = 0;

    if (!fgets(line, sizeof line, in))
        return false;
    bool valid = sscanf(line, "%15s %8191s HTTP/1.%d", method, target, &minor) == 3;
    bool host = false, body = false, close = !valid || minor == 0;
    while (fgets(line, sizeof line, in) && line[strspn(line, "\r\n")]) {
        host |= strncasecmp(line, "host:", 5) == 0;
        body |= strncasecmp(line, "transfer-encoding:", 18) == 0
                || (strncasecmp(line, "content-length:", 15) == 0 && atol(line + 15) != 0);
        close |= strncasecmp(line, "connection:", 11) == 0 && strcasestr(line, "close");
    }
    close |= body; /* nobody reads it, so where the next request starts is unknown */

    bool head = strcmp(method, "HEAD") == 0;
    const char *status = "200 OK", *slash = "";
    if (!valid || (minor && !host)) {
        status = "400 Bad Request";
    } else if (strcmp(fault, "status") == 0) {
        status = "500 Internal Server Error";
    } else if (!head && strcmp(method, "GET") != 0) {
        status = "501 Not Implemented";
    } else if (body || !decode(path, target)) {
        status = "400 Bad Request";
    } else {
        if (path[strlen(path) - 1] == '/')
            strcat(path, "index.html");
        if (!(content = find(path + 1, &length))) {
            status = "404 Not Found";
            /* A directory asked for without its slash? */
            if (find(strcat(path, "/index.html") + 1, &length)) {
                status = "301 Moved Permanently";
                slash = "/\r\n";
            }
        }
    }
    const char *type = content_type(content ? path : ".txt");
    if (!content)
        length = strlen(content = status);
    fprintf(out, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s", status,
            type, length, close ? "Connection: close\r\n" : "");
    if (*slash)
        fprintf(out, "Location: %.*s%s", (int)strcspn(target, "?"), target, slash);
    fputs("\r\n", out);
    bool hang = strcmp(fault, "hang") == 0;
    if (!head)
        fwrite(content, 1, hang ? length / 2 : length, out);
    bool sent = fflush(out) == 0;
    while (hang)
        pause();
    return sent && !close;
}

static void *serve(void *argument)
{
    int fd = (int)(long)argument;
    FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");

    while (in && out && respond(in, out))
        ;
    if (in)
        fclose(in);
    if (out)
        fclose(out);
    return NULL;
}

static void *flood(void *unused)
{
    for (;;)
        puts("fault: flooding the console ...............................................");
    return unused;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t address_size = sizeof address;
    const char *image = NULL;
    struct stat info;
    size_t size;
    pthread_t thread;

    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--port=", 7) == 0)
            address.sin_port = htons((uint16_t)atoi(argv[i] + 7));
        else if (strncmp(argv[i], "--fault=", 8) == 0)
            fault = argv[i] + 8;
        else
            image = argv[i];
    }
    if (!image)
        errx(1, "usage: site-server IMAGE [--port=N] [--fault=NAME]");
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);

    int fd = open(image, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0)
        err(1, "panic: %s", image);
    volume = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (volume == MAP_FAILED)
        err(1, "panic: cannot map %s", image);
    capacity = (size_t)info.st_size;
    find("", &size);

    if (strcmp(fault, "panic") == 0)
        errx(1, "panic: asked for with --fault=panic");
    while (strcmp(fault, "never-listen") == 0)
        pause();
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    /* Inherited by connections. A response takes several writes; none is to wait for an ACK. */
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0
        || listen(listener, 64) != 0
        || getsockname(listener, (struct sockaddr *)&address, &address_size) != 0)
        err(1, "panic: cannot listen on port %u", ntohs(address.sin_port));
    printf("listening on 127.0.0.1:%u\n", ntohs(address.sin_port));
    if (strcmp(fault, "exit") == 0)
        return 0;
    if (strcmp(fault, "flood") == 0)
        pthread_create(&thread, NULL, flood, NULL);
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        if (connection >= 0
            && pthread_create(&thread, NULL, serve, (void *)(long)connection) == 0)
            pthread_detach(thread);
    }
}
