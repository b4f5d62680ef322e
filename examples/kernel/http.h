/* HTTP/1.1: from the bytes of a request to a response that can be read at any position. */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tar.h"

#define RESPONSE_HEADER_MAX 1024

/*
 * A response is a header in memory followed by a byte range of the volume. Byte number p of it can
 * be produced at any time and any number of times, so TCP keeps no copy of what it has sent: this
 * is how a 200 MB file leaves a 16 MB machine.
 */
struct response {
    bool active;
    bool close;            /* end the connection after it */
    uint32_t header_length;
    uint64_t length;       /* header and body */
    uint64_t body;         /* where the body starts on the volume */
    char header[RESPONSE_HEADER_MAX];
};

/*
 * Reads the first request in the buffer. Returns the bytes it took, having filled in the response,
 * or 0 if the request is not complete. A request that fills the whole buffer is answered 431.
 */
size_t http_respond(struct response *response, const char *buffer, size_t length, size_t room);

void http_read(const struct response *response, uint64_t position, void *to, size_t length);

#endif
