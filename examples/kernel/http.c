/* RFC 9112 for the messages, RFC 9110 for what they mean; section numbers below say which. */
#include "http.h"

#include "block.h"
#include "options.h"
#include "tar.h"
#include "text.h"

/* Longest name in the index, and room to add "/index.html" to look for a directory. */
#define PATH_MAX (TAR_NAME_MAX + sizeof "/index.html")
#define INDEX    "index.html"

/* A piece of the request, not NUL-terminated. */
struct span {
    const char *at;
    size_t length;
};

struct request {
    struct span method, target;
    unsigned minor; /* of HTTP/1.x */
    bool malformed;
    bool has_host;
    bool has_body;
    bool close;
};

static const struct {
    const char *suffix, *type;
} content_types[] = {
    {".html", "text/html; charset=utf-8"},
    {".htm", "text/html; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".txt", "text/plain; charset=utf-8"},
    {".md", "text/markdown; charset=utf-8"},
    {".json", "application/json"},
    {".xml", "application/xml"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".jpeg", "image/jpeg"},
    {".gif", "image/gif"},
    {".webp", "image/webp"},
    {".avif", "image/avif"},
    {".ico", "image/vnd.microsoft.icon"},
    {".woff", "font/woff"},
    {".woff2", "font/woff2"},
    {".wasm", "application/wasm"},
    {".pdf", "application/pdf"},
    {".mp4", "video/mp4"},
    {".webm", "video/webm"},
};

static const char *content_type(const char *path)
{
    for (size_t i = 0; i < sizeof content_types / sizeof *content_types; i++)
        if (text_ends(path, content_types[i].suffix))
            return content_types[i].type;
    return "application/octet-stream";
}

static bool span_is(struct span s, const char *text)
{
    return text_length(text) == s.length && memcmp(s.at, text, s.length) == 0;
}

/* ASCII case does not matter in field names and in the few values looked at here. */
static bool span_is_any_case(struct span s, const char *lower)
{
    size_t i = 0;

    while (i < s.length && lower[i] && lower_case(s.at[i]) == lower[i])
        i++;
    return i == s.length && !lower[i];
}

static struct span trim(struct span s)
{
    while (s.length && (s.at[0] == ' ' || s.at[0] == '\t')) {
        s.at++;
        s.length--;
    }
    while (s.length && (s.at[s.length - 1] == ' ' || s.at[s.length - 1] == '\t'))
        s.length--;
    return s;
}

/* Cuts off and returns what comes before `mark`; all of it if the mark is not there. */
static struct span cut(struct span *rest, char mark)
{
    struct span head = {rest->at, 0};

    while (head.length < rest->length && rest->at[head.length] != mark)
        head.length++;
    size_t taken = head.length < rest->length ? head.length + 1 : head.length;
    rest->at += taken;
    rest->length -= taken;
    return head;
}

/* A line ends with CR LF; a recipient may take a lone LF for it (RFC 9112 section 2.2). */
static struct span cut_line(struct span *rest)
{
    struct span line = cut(rest, '\n');

    if (line.length && line.at[line.length - 1] == '\r')
        line.length--;
    return line;
}

static bool list_has(struct span list, const char *lower)
{
    while (list.length)
        if (span_is_any_case(trim(cut(&list, ',')), lower))
            return true;
    return false;
}

static void read_field(struct request *request, struct span line)
{
    struct span value = line, name = cut(&value, ':');

    /* Space before the colon invites request smuggling (RFC 9112 section 5.1). */
    if (name.length == line.length || name.length == 0
        || trim(name).length != name.length) {
        request->malformed = true;
        return;
    }
    value = trim(value);
    if (span_is_any_case(name, "host"))
        request->has_host = true;
    else if (span_is_any_case(name, "connection"))
        request->close |= list_has(value, "close");
    else if (span_is_any_case(name, "transfer-encoding"))
        request->has_body = true;
    else if (span_is_any_case(name, "content-length"))
        request->has_body |= !span_is(value, "0");
}

static void read_request(struct request *request, struct span text)
{
    struct span line = cut_line(&text);

    *request = (struct request){0};
    request->method = cut(&line, ' ');
    request->target = cut(&line, ' ');
    if (span_is(line, "HTTP/1.1"))
        request->minor = 1;
    else if (!span_is(line, "HTTP/1.0"))
        request->malformed = true;
    for (;;) {
        line = cut_line(&text);
        if (!line.length)
            break;
        read_field(request, line);
    }
    /* An HTTP/1.1 request without Host must be answered 400 (RFC 9112 section 3.2). */
    if (request->minor == 1 && !request->has_host)
        request->malformed = true;
    if (request->minor == 0)
        request->close = true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = lower_case(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum target { TARGET_OK, TARGET_BAD, TARGET_TOO_LONG };

/* Decodes the path of a request target into a name as the archive has it, without the slash. */
static enum target decode_path(struct span target, char path[PATH_MAX + 1], size_t *length)
{
    size_t n = 0;

    target = cut(&target, '?');
    /* Absolute form, as proxies send it, must be accepted (RFC 9112 section 3.2.2). */
    if (target.length >= 7 && span_is_any_case((struct span){target.at, 7}, "http://")) {
        target.at += 7;
        target.length -= 7;
        while (target.length && *target.at != '/') {
            target.at++;
            target.length--;
        }
    }
    if (!target.length || *target.at != '/')
        return TARGET_BAD;
    for (size_t i = 1; i < target.length; i++) {
        char c = target.at[i];

        if (c == '%') {
            if (i + 2 >= target.length)
                return TARGET_BAD;
            int high = hex_digit(target.at[i + 1]), low = hex_digit(target.at[i + 2]);
            if (high < 0 || low < 0)
                return TARGET_BAD;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0')
            return TARGET_BAD;
        if (n == TAR_NAME_MAX)
            return TARGET_TOO_LONG;
        path[n++] = c;
    }
    path[n] = 0;
    *length = n;
    return TARGET_OK;
}

static const char *reason(unsigned status)
{
    switch (status) {
    case 200: return "OK";
    case 301: return "Moved Permanently";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 431: return "Request Header Fields Too Large";
    case 501: return "Not Implemented";
    default: return "Internal Server Error";
    }
}

/* No Date field: a server without a clock must not send one (RFC 9110 section 6.6.1). */
static size_t header(struct response *r, unsigned status, const char *type, uint64_t length)
{
    return format(r->header, sizeof r->header,
                  "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %lu\r\n%s", status,
                  reason(status), type, length, r->close ? "Connection: close\r\n" : "");
}

static void respond_with_text(struct response *r, unsigned status, struct span location,
                              bool head_only)
{
    char body[64];
    size_t body_length = format(body, sizeof body, "%u %s\n", status, reason(status));
    size_t n = header(r, status, "text/plain; charset=utf-8", body_length);

    if (location.length) {
        n += format(r->header + n, sizeof r->header - n, "Location: ");
        memcpy(r->header + n, location.at, location.length);
        n += location.length;
        n += format(r->header + n, sizeof r->header - n, "/\r\n");
    }
    n += format(r->header + n, sizeof r->header - n, "\r\n%s", head_only ? "" : body);
    r->header_length = (uint32_t)n;
    r->length = n;
}

static void respond_with_file(struct response *r, const char *path, const struct file *file,
                              bool head_only)
{
    size_t n = header(r, 200, content_type(path), file->size);

    n += format(r->header + n, sizeof r->header - n, "\r\n");
    r->header_length = (uint32_t)n;
    r->body = file->offset;
    r->length = n + (head_only ? 0 : file->size);
}

/* Room in a response header for a Location, next to the other fields. */
#define LOCATION_MAX (RESPONSE_HEADER_MAX - 256)

static void respond(struct response *r, const struct request *request)
{
    char path[PATH_MAX + 1];
    size_t n = 0;
    struct file file;
    struct span target = request->target, nowhere = {NULL, 0};
    bool head_only = span_is(request->method, "HEAD");

    /*
     * After a request that was not understood, or whose body was not read, nobody knows where the
     * next one starts.
     */
    if (request->malformed || request->has_body)
        r->close = true;
    if (request->malformed) {
        respond_with_text(r, 400, nowhere, false);
        return;
    }
    if (options.fault == FAULT_STATUS) {
        respond_with_text(r, 500, nowhere, head_only);
        return;
    }
    if (!head_only && !span_is(request->method, "GET")) {
        respond_with_text(r, 501, nowhere, false);
        return;
    }
    switch (request->has_body ? TARGET_BAD : decode_path(target, path, &n)) {
    case TARGET_BAD:
        respond_with_text(r, 400, nowhere, head_only);
        return;
    case TARGET_TOO_LONG: /* longer than any name in the archive: not there */
        respond_with_text(r, 404, nowhere, head_only);
        return;
    case TARGET_OK:
        break;
    }

    if (n == 0 || path[n - 1] == '/') {
        memcpy(path + n, INDEX, sizeof INDEX);
        n += sizeof INDEX - 1;
    }
    if (tar_find(path, n, &file)) {
        respond_with_file(r, path, &file, head_only);
        return;
    }

    /* A directory asked for without its slash: links in its page would resolve one level up. */
    memcpy(path + n, "/" INDEX, sizeof "/" INDEX);
    struct span raw = cut(&target, '?');
    bool directory = tar_find(path, n + sizeof "/" INDEX - 1, &file);
    if (directory && raw.length <= LOCATION_MAX)
        respond_with_text(r, 301, raw, head_only);
    else
        respond_with_text(r, 404, nowhere, head_only);
}

/* Length of the request line and header fields up to and including the empty line, or 0. */
static size_t find_end(const char *buffer, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (buffer[i] != '\n')
            continue;
        if (i + 1 < length && buffer[i + 1] == '\n')
            return i + 2;
        if (i + 2 < length && buffer[i + 1] == '\r' && buffer[i + 2] == '\n')
            return i + 3;
    }
    return 0;
}

size_t http_respond(struct response *r, const char *buffer, size_t length, size_t room)
{
    struct request request;
    size_t skipped = 0, end;

    /* Empty lines before a request are to be ignored (RFC 9112 section 2.2). */
    while (skipped < length && (buffer[skipped] == '\r' || buffer[skipped] == '\n'))
        skipped++;
    end = find_end(buffer + skipped, length - skipped);
    if (!end && length < room)
        return 0;

    r->active = true;
    r->close = false;
    if (!end) {
        r->close = true;
        respond_with_text(r, 431, (struct span){NULL, 0}, false);
        return length;
    }
    read_request(&request, (struct span){buffer + skipped, end});
    r->close = request.close;
    respond(r, &request);
    return skipped + end;
}

void http_read(const struct response *r, uint64_t position, void *to, size_t length)
{
    uint8_t *t = to;

    if (position < r->header_length) {
        size_t n = r->header_length - position;
        if (n > length)
            n = length;
        memcpy(t, r->header + position, n);
        t += n;
        position += n;
        length -= n;
    }
    if (length)
        block_read(t, r->body + position - r->header_length, length);
}
