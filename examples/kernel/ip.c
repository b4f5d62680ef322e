#include "ip.h"

#include "tcp.h"
#include "text.h"

#define TYPE_ARP       0x0806
#define TYPE_IPV4      0x0800
#define ARP_BYTES      28
#define ARP_REQUEST    1
#define ARP_REPLY      2
#define PROTOCOL_ICMP  1
#define ECHO_REQUEST   8
#define ECHO_REPLY     0
#define VERSION_4      4
#define DO_NOT_SPLIT   0x4000
#define IS_FRAGMENT    0x3fff /* "more fragments" or a fragment offset */
#define TIME_TO_LIVE   64

/* Ethernet and IPv4 (RFC 826): hardware type 1, protocol type IPv4, their address lengths. */
static const uint8_t arp_prefix[6] = {0, 1, TYPE_IPV4 >> 8, 0, MAC_BYTES, IP_BYTES};

static uint8_t own_address[IP_BYTES];

void ip_init(const uint8_t address[IP_BYTES])
{
    memcpy(own_address, address, IP_BYTES);
}

/*
 * RFC 1071. A one's complement sum does not depend on byte order (section 2, B), so 32-bit words
 * can be added as they lie in memory; the caller stores the result as it lies, too.
 */
static uint64_t sum(uint64_t total, const uint8_t *p, size_t n)
{
    typedef uint32_t __attribute__((may_alias, aligned(1))) word;

    for (; n >= 4; n -= 4, p += 4)
        total += *(const word *)p;
    uint32_t rest = 0;
    for (size_t i = 0; i < n; i++)
        rest |= (uint32_t)p[i] << (8 * i);
    return total + rest;
}

static uint16_t fold(uint64_t total)
{
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return (uint16_t)~total;
}

static void store(uint8_t *p, uint16_t checksum)
{
    p[0] = (uint8_t)checksum;
    p[1] = (uint8_t)(checksum >> 8);
}

uint16_t ip_tcp_checksum(const uint8_t peer_address[IP_BYTES], const uint8_t *segment,
                         size_t length)
{
    const uint8_t pseudo[4] = {0, PROTOCOL_TCP, (uint8_t)(length >> 8), (uint8_t)length};
    uint64_t total = sum(0, own_address, IP_BYTES);

    total = sum(total, peer_address, IP_BYTES);
    total = sum(total, pseudo, sizeof pseudo);
    return fold(sum(total, segment, length));
}

static void ethernet_send(uint8_t *frame, const uint8_t mac[MAC_BYTES], uint16_t type,
                          size_t length)
{
    memcpy(frame, mac, MAC_BYTES);
    memcpy(frame + MAC_BYTES, net_mac, MAC_BYTES);
    put16(frame + 12, type);
    net_send(frame, ETHERNET_HEADER + length);
}

void ip_send(uint8_t *frame, const struct peer *to, uint8_t protocol, size_t length)
{
    static uint16_t identification;
    uint8_t *ip = frame + ETHERNET_HEADER;

    memset(ip, 0, IP_HEADER);
    ip[0] = VERSION_4 << 4 | IP_HEADER / 4;
    put16(ip + 2, (uint16_t)(IP_HEADER + length));
    put16(ip + 4, identification++);
    put16(ip + 6, DO_NOT_SPLIT);
    ip[8] = TIME_TO_LIVE;
    ip[9] = protocol;
    memcpy(ip + 12, own_address, IP_BYTES);
    memcpy(ip + 16, to->address, IP_BYTES);
    store(ip + 10, fold(sum(0, ip, IP_HEADER)));
    ethernet_send(frame, to->mac, TYPE_IPV4, IP_HEADER + length);
}

static void arp_input(const uint8_t *arp, size_t length)
{
    if (length < ARP_BYTES || memcmp(arp, arp_prefix, sizeof arp_prefix) != 0
        || get16(arp + 6) != ARP_REQUEST || memcmp(arp + 24, own_address, IP_BYTES) != 0)
        return;

    uint8_t *frame = net_buffer();
    if (!frame)
        return; /* whoever asked will ask again */
    uint8_t *reply = frame + ETHERNET_HEADER;
    memcpy(reply, arp_prefix, sizeof arp_prefix);
    put16(reply + 6, ARP_REPLY);
    memcpy(reply + 8, net_mac, MAC_BYTES);
    memcpy(reply + 14, own_address, IP_BYTES);
    memcpy(reply + 18, arp + 8, MAC_BYTES + IP_BYTES);
    ethernet_send(frame, arp + 8, TYPE_ARP, ARP_BYTES);
}

/* Ping (RFC 792): the same bytes back. It is the first thing to try when nothing else works. */
static void icmp_input(const struct peer *from, const uint8_t *message, size_t length)
{
    if (length < 8 || message[0] != ECHO_REQUEST || fold(sum(0, message, length)) != 0)
        return;

    uint8_t *frame = net_buffer();
    if (!frame)
        return;
    uint8_t *reply = ip_payload(frame);
    memcpy(reply, message, length);
    reply[0] = ECHO_REPLY;
    put16(reply + 2, 0);
    store(reply + 2, fold(sum(0, reply, length)));
    ip_send(frame, from, PROTOCOL_ICMP, length);
}

static void ipv4_input(const uint8_t *source_mac, const uint8_t *ip, size_t length)
{
    if (length < IP_HEADER || ip[0] >> 4 != VERSION_4)
        return;
    size_t header = (size_t)(ip[0] & 15) * 4, total = get16(ip + 2);
    if (header < IP_HEADER || total < header || total > length)
        return;
    if (fold(sum(0, ip, header)) != 0 || memcmp(ip + 16, own_address, IP_BYTES) != 0)
        return;
    /* Requests fit in one packet on any sane path; reassembly is not worth it. */
    if (get16(ip + 6) & IS_FRAGMENT)
        return;

    /*
     * No ARP cache and no routing: the answer goes back to the station that handed us the packet,
     * be it the client itself or a gateway.
     */
    struct peer from;
    memcpy(from.mac, source_mac, MAC_BYTES);
    memcpy(from.address, ip + 12, IP_BYTES);
    if (ip[9] == PROTOCOL_TCP)
        tcp_input(&from, ip + header, total - header);
    else if (ip[9] == PROTOCOL_ICMP)
        icmp_input(&from, ip + header, total - header);
}

void ip_input(const uint8_t *frame, size_t length)
{
    if (length < ETHERNET_HEADER || length > FRAME_MAX)
        return;
    uint16_t type = get16(frame + 12);
    const uint8_t *body = frame + ETHERNET_HEADER;

    if (type == TYPE_ARP)
        arp_input(body, length - ETHERNET_HEADER);
    else if (type == TYPE_IPV4)
        ipv4_input(frame + MAC_BYTES, body, length - ETHERNET_HEADER);
}
