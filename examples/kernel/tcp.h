/* TCP, the server's half: connections are only ever opened by the other side. */
#ifndef TCP_H
#define TCP_H

#include <stddef.h>
#include <stdint.h>

#include "ip.h"

#define TCP_PORT            80
#define TCP_CONNECTIONS_MAX 64
#define TCP_REQUEST_MAX     4096

void tcp_input(const struct peer *from, const uint8_t *segment, size_t length);

/* Sends what may be sent and runs the timers; call it in every turn of the main loop. */
void tcp_poll(void);

#endif
