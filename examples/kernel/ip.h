/* ARP, IPv4 and ping, as much as a server that only ever answers needs. */
#ifndef IP_H
#define IP_H

#include <stddef.h>
#include <stdint.h>

#include "net.h"

#define IP_BYTES        4
#define ETHERNET_HEADER 14
#define IP_HEADER       20
#define PROTOCOL_TCP    6

/* Where an answer goes: to the station the question came from. */
struct peer {
    uint8_t mac[MAC_BYTES];
    uint8_t address[IP_BYTES];
};

void ip_init(const uint8_t address[IP_BYTES]);

/* Input for net_receive. */
void ip_input(const uint8_t *frame, size_t length);

/*
 * Where a protocol's bytes start in a frame from net_buffer, and how to send `length` of them once
 * they are there.
 */
static inline uint8_t *ip_payload(uint8_t *frame)
{
    return frame + ETHERNET_HEADER + IP_HEADER;
}

void ip_send(uint8_t *frame, const struct peer *to, uint8_t protocol, size_t length);

/* The Internet checksum over the TCP pseudo header and segment; 0 if a received one is right. */
uint16_t ip_tcp_checksum(const uint8_t peer_address[IP_BYTES], const uint8_t *segment,
                         size_t length);

#endif
