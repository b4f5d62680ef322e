/*
 * RFC 9293, with the retransmission timer of RFC 6298 and the congestion control of RFC 5681 in
 * their simplest forms. Left out on purpose: window scaling, selective acknowledgement, timestamps
 * and TIME-WAIT (a repeated FIN for a forgotten connection is answered with a reset).
 */
#include "tcp.h"

#include "http.h"
#include "interrupts.h"
#include "options.h"
#include "text.h"
#include "x86.h"

#define TCP_HEADER        20
#define SEGMENT_MAX       1460 /* 1500 bytes of Ethernet payload less both headers */
#define SEGMENT_MIN       64
#define SEGMENT_DEFAULT   536  /* if the peer does not say (RFC 9293 section 3.7.1) */

#define OPTION_END        0
#define OPTION_NOTHING    1
#define OPTION_SEGMENT    2

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

/* In ticks of 10 ms. RFC 6298 asks for a first timeout of 1 s; on a virtual wire that is ages. */
#define TIMEOUT_FIRST     (TICKS_PER_SECOND / 5)
#define TIMEOUT_LONGEST   (3 * TICKS_PER_SECOND)
#define TRIES_MAX         10
#define IDLE_MAX          (60 * TICKS_PER_SECOND)

#define CONGESTION_FIRST  10 /* segments, RFC 6928 */
#define CONGESTION_MAX    (1 << 20)
#define DUPLICATES_LOSS   3

enum state { UNUSED, SYN_RECEIVED, ESTABLISHED };

/*
 * What we send is one response after another. Positions count the bytes of the current response,
 * in 64 bits because a file may be longer than the sequence number space; `base` is the sequence
 * number of position 0. If the response closes the connection, our FIN is the position after its
 * last byte.
 */
struct connection {
    enum state state;
    struct peer peer;
    uint16_t peer_port;
    uint16_t segment_size;
    bool peer_closed;

    uint32_t base;
    uint64_t acked;   /* everything before this position has arrived */
    uint64_t next;    /* next position to send; falls back to `acked` on a loss */
    uint64_t highest; /* furthest position ever sent */

    uint32_t expected;   /* sequence number of the next byte from the peer */
    uint32_t window;     /* what the peer has room for */
    uint32_t congestion; /* what we dare to have in flight */
    uint32_t threshold;  /* where slow start ends */
    unsigned duplicates;

    uint64_t deadline; /* when to send again, 0 for never */
    uint64_t timeout;
    unsigned tries;
    uint64_t heard_at;

    struct response response;
    size_t request_length;
    char request[TCP_REQUEST_MAX];
};

static struct connection connections[TCP_CONNECTIONS_MAX];

static uint64_t response_end(const struct connection *c)
{
    return c->response.active ? c->response.length + c->response.close : 0;
}

/* Where sending stops for now; short of the end only when a fault was asked for. */
static uint64_t send_limit(const struct connection *c)
{
    if (options.fault == FAULT_HANG && c->response.active)
        return (c->response.header_length + c->response.length) / 2;
    return response_end(c);
}

static uint32_t in_flight(const struct connection *c)
{
    return (uint32_t)(c->next - c->acked);
}

static void arm_timer(struct connection *c)
{
    c->deadline = now() + c->timeout;
}

/* The window offered is the free part of the request buffer: the peer cannot overrun it. */
static uint16_t receive_window(const struct connection *c)
{
    return (uint16_t)(sizeof c->request - c->request_length);
}

/* Payload and options, if any, are in place behind the header. */
static void send_segment(uint8_t *frame, const struct peer *to, uint16_t to_port, uint32_t sequence,
                         uint32_t acknowledge, uint8_t flags, uint16_t window, size_t options_size,
                         size_t payload)
{
    uint8_t *tcp = ip_payload(frame);
    size_t header = TCP_HEADER + options_size;

    put16(tcp, TCP_PORT);
    put16(tcp + 2, to_port);
    put32(tcp + 4, sequence);
    put32(tcp + 8, acknowledge);
    tcp[12] = (uint8_t)(header / 4 << 4);
    tcp[13] = flags;
    put16(tcp + 14, window);
    put32(tcp + 16, 0); /* checksum, urgent pointer */
    uint16_t checksum = ip_tcp_checksum(to->address, tcp, header + payload);
    memcpy(tcp + 16, &checksum, sizeof checksum);
    ip_send(frame, to, PROTOCOL_TCP, header + payload);
}

/* A segment without data. If no buffer is free it is lost, and a timer or the peer repeats it. */
static void send_control(struct connection *c, uint32_t sequence, uint8_t flags)
{
    uint8_t *frame = net_buffer();
    size_t options_size = 0;

    if (!frame)
        return;
    if (flags & SYN) {
        uint8_t *option = ip_payload(frame) + TCP_HEADER;
        option[0] = OPTION_SEGMENT;
        option[1] = options_size = 4;
        put16(option + 2, SEGMENT_MAX);
    }
    send_segment(frame, &c->peer, c->peer_port, sequence, c->expected, flags, receive_window(c),
                 options_size, 0);
}

static void send_syn_ack(struct connection *c)
{
    send_control(c, c->base - 1, SYN | ACK);
}

static void send_ack(struct connection *c)
{
    send_control(c, c->base + (uint32_t)c->next, ACK);
}

/* Answer to a segment that belongs to no connection, RFC 9293 section 3.10.7.1. */
static void send_reset(const struct peer *to, uint16_t to_port, const uint8_t *tcp, uint32_t length)
{
    uint8_t *frame = net_buffer();

    if (!frame)
        return;
    if (tcp[13] & ACK)
        send_segment(frame, to, to_port, get32(tcp + 8), 0, RST, 0, 0, 0);
    else
        send_segment(frame, to, to_port, 0, get32(tcp + 4) + length, RST | ACK, 0, 0, 0);
}

static void drop(struct connection *c)
{
    send_control(c, c->base + (uint32_t)c->next, RST | ACK);
    c->state = UNUSED;
}

/* Sends as much of the response as both windows allow, and the FIN after it. */
static void send_data(struct connection *c)
{
    uint64_t limit = send_limit(c);

    while (c->next < limit) {
        uint32_t window = c->window < c->congestion ? c->window : c->congestion;
        uint32_t room = window > in_flight(c) ? window - in_flight(c) : 0;
        uint64_t data_end = limit < c->response.length ? limit : c->response.length;
        uint64_t left = data_end > c->next ? data_end - c->next : 0;
        size_t n = left < c->segment_size ? left : c->segment_size;

        if (n > room) {
            /* Rather wait than send a sliver (RFC 9293 section 3.8.6.2.1), unless nothing comes. */
            if (in_flight(c))
                return;
            n = room;
            if (n == 0) {
                if (!c->deadline)
                    arm_timer(c); /* the window is shut: probe it later */
                return;
            }
        }
        uint8_t *frame = net_buffer();
        if (!frame)
            return;
        if (n)
            http_read(&c->response, c->next, ip_payload(frame) + TCP_HEADER, n);
        uint8_t flags = ACK;
        if (c->next + n == c->response.length) {
            flags |= PSH;
            if (c->response.close && limit > c->response.length)
                flags |= FIN;
        }
        if (!c->deadline)
            arm_timer(c);
        send_segment(frame, &c->peer, c->peer_port, c->base + (uint32_t)c->next, c->expected, flags,
                     receive_window(c), 0, n);
        c->next += n + (flags & FIN ? 1 : 0);
        if (c->highest < c->next)
            c->highest = c->next;
    }
}

/* Starts on the next request in the buffer, if there is one and nothing else is being sent. */
static void next_response(struct connection *c)
{
    struct response *r = &c->response;

    if (r->active)
        return;
    size_t used = http_respond(r, c->request, c->request_length, sizeof c->request);
    if (used) {
        c->request_length -= used;
        memmove(c->request, c->request + used, c->request_length);
    } else if (c->peer_closed) {
        /* Nothing more will come: a response of no bytes that closes. */
        r->active = r->close = true;
        r->length = r->header_length = 0;
    }
}

static void response_done(struct connection *c)
{
    c->base += (uint32_t)c->acked;
    c->acked = c->next = c->highest = 0;
    c->response.active = false;
    next_response(c);
}

/* A loss: the congestion window and what to send both start again (RFC 5681 section 3.1). */
static void go_back(struct connection *c, uint32_t congestion)
{
    c->threshold = in_flight(c) / 2;
    if (c->threshold < 2u * c->segment_size)
        c->threshold = 2u * c->segment_size;
    c->congestion = congestion ? congestion : c->threshold;
    c->next = c->acked;
    c->duplicates = 0;
}

static void acknowledged(struct connection *c, uint32_t acknowledge, bool only_ack, uint32_t window)
{
    uint32_t advance = acknowledge - (c->base + (uint32_t)c->acked);
    uint32_t outstanding = (uint32_t)(c->highest - c->acked);

    c->tries = 0; /* the peer lives, even if its window is shut */
    if (advance > 0 && advance <= outstanding) {
        c->acked += advance;
        if (c->next < c->acked)
            c->next = c->acked;
        c->congestion += c->congestion < c->threshold
                             ? advance
                             : (uint32_t)c->segment_size * c->segment_size / c->congestion + 1;
        if (c->congestion > CONGESTION_MAX)
            c->congestion = CONGESTION_MAX;
        c->duplicates = 0;
        c->timeout = TIMEOUT_FIRST;
        c->deadline = 0;
        if (in_flight(c))
            arm_timer(c);
    } else if (advance == 0 && only_ack && window == c->window && in_flight(c)) {
        if (++c->duplicates == DUPLICATES_LOSS)
            go_back(c, 0);
    }
    c->window = window;
}

/* Takes the in-order part of a segment. Returns whether it must be acknowledged. */
static bool take_data(struct connection *c, uint32_t sequence, const uint8_t *data, uint32_t length,
                      bool fin)
{
    uint32_t repeated = c->expected - sequence;

    if (length == 0 && !fin)
        return sequence != c->expected; /* a keep-alive probe, for instance */
    if (repeated > length) /* a gap before it, or all of it old */
        return true;
    data += repeated;
    length -= repeated;
    if (c->peer_closed)
        return true;

    uint32_t room = (uint32_t)(sizeof c->request - c->request_length);
    uint32_t n = length < room ? length : room;
    c->expected += n;
    /* After a response that closes, nothing more is read (RFC 9112 section 9.6). */
    if (!(c->response.active && c->response.close)) {
        memcpy(c->request + c->request_length, data, n);
        c->request_length += n;
    }
    if (fin && n == length) {
        c->expected++;
        c->peer_closed = true;
    }
    return true;
}

static uint16_t offered_segment_size(const uint8_t *option, const uint8_t *end)
{
    uint16_t size = SEGMENT_DEFAULT;

    while (option < end && *option != OPTION_END) {
        if (*option == OPTION_NOTHING) {
            option++;
            continue;
        }
        if (end - option < 2 || option[1] < 2 || option[1] > end - option)
            break;
        if (*option == OPTION_SEGMENT && option[1] == 4)
            size = get16(option + 2);
        option += option[1];
    }
    if (size > SEGMENT_MAX)
        size = SEGMENT_MAX;
    return size < SEGMENT_MIN ? SEGMENT_MIN : size;
}

static struct connection *find(const struct peer *from, uint16_t port)
{
    for (struct connection *c = connections; c < connections + TCP_CONNECTIONS_MAX; c++)
        if (c->state != UNUSED && c->peer_port == port
            && memcmp(c->peer.address, from->address, IP_BYTES) == 0)
            return c;
    return NULL;
}

/*
 * A free place, or that of the connection which has been silent longest between two requests. If
 * all of them are at work there is none: the SYN goes unanswered and the peer tries again.
 */
static struct connection *find_place(void)
{
    struct connection *place = NULL;

    for (struct connection *c = connections; c < connections + TCP_CONNECTIONS_MAX; c++) {
        if (c->state == UNUSED)
            return c;
        bool quiet = c->state == ESTABLISHED && !c->response.active && !c->request_length;
        if (quiet && (!place || c->heard_at < place->heard_at))
            place = c;
    }
    if (place)
        drop(place);
    return place;
}

static void accept(struct connection *c, const struct peer *from, uint16_t port, const uint8_t *tcp,
                   size_t header)
{
    memset(c, 0, __builtin_offsetof(struct connection, request));
    c->state = SYN_RECEIVED;
    c->peer = *from;
    c->peer_port = port;
    c->segment_size = offered_segment_size(tcp + TCP_HEADER, tcp + header);
    /* Good enough to tell connections apart; not the keyed hash of RFC 6528 against spoofing. */
    c->base = (uint32_t)(cycle_counter() >> 4);
    c->expected = get32(tcp + 4) + 1;
    c->window = get16(tcp + 14);
    c->congestion = CONGESTION_FIRST * (uint32_t)c->segment_size;
    c->threshold = CONGESTION_MAX;
    c->timeout = TIMEOUT_FIRST;
    c->heard_at = now();
    send_syn_ack(c);
    arm_timer(c);
}

static void syn_input(struct connection *c, const struct peer *from, uint16_t port,
                      const uint8_t *tcp, size_t header)
{
    if (c && c->state == SYN_RECEIVED && c->expected == get32(tcp + 4) + 1) {
        send_syn_ack(c); /* ours was lost */
        return;
    }
    /*
     * A SYN from a port we think connected comes from a client that has forgotten: QEMU's user
     * network reuses ports at once. The old connection gives way.
     */
    if (!c)
        c = find_place();
    if (c)
        accept(c, from, port, tcp, header);
}

void tcp_input(const struct peer *from, const uint8_t *tcp, size_t length)
{
    if (length < TCP_HEADER || get16(tcp + 2) != TCP_PORT)
        return;
    size_t header = (size_t)(tcp[12] >> 4) * 4;
    if (header < TCP_HEADER || header > length || ip_tcp_checksum(from->address, tcp, length))
        return;

    uint16_t port = get16(tcp);
    uint32_t sequence = get32(tcp + 4), acknowledge = get32(tcp + 8);
    uint32_t payload = (uint32_t)(length - header);
    uint8_t flags = tcp[13];
    struct connection *c = find(from, port);

    if (flags & RST) {
        /* Only an exact sequence number resets; anything else may be forged (RFC 5961). */
        if (c && sequence == c->expected)
            c->state = UNUSED;
        return;
    }
    if ((flags & (SYN | ACK)) == SYN) {
        syn_input(c, from, port, tcp, header);
        return;
    }
    if (!c) {
        send_reset(from, port, tcp, payload + !!(flags & SYN) + !!(flags & FIN));
        return;
    }
    if (!(flags & ACK))
        return;
    c->heard_at = now();
    if (c->state == SYN_RECEIVED) {
        if (acknowledge != c->base)
            return;
        c->state = ESTABLISHED;
        c->deadline = 0;
        c->tries = 0;
        c->timeout = TIMEOUT_FIRST;
    }

    acknowledged(c, acknowledge, payload == 0 && !(flags & FIN), get16(tcp + 14));
    bool must_acknowledge = take_data(c, sequence, tcp + header, payload, flags & FIN);
    if (c->response.active && c->acked == response_end(c)) {
        if (!c->response.close) {
            response_done(c);
        } else if (c->peer_closed) {
            if (must_acknowledge)
                send_ack(c);
            c->state = UNUSED; /* both FINs have arrived */
            return;
        }
    }
    next_response(c);

    uint64_t before = c->next;
    send_data(c);
    if (must_acknowledge && c->next == before)
        send_ack(c); /* nothing was sent that could have carried it */
}

static void run_timers(struct connection *c)
{
    if (now() - c->heard_at > IDLE_MAX && options.fault != FAULT_HANG) {
        drop(c);
        return;
    }
    if (!c->deadline || now() < c->deadline)
        return;
    if (++c->tries > TRIES_MAX) {
        drop(c);
        return;
    }
    c->timeout = 2 * c->timeout < TIMEOUT_LONGEST ? 2 * c->timeout : TIMEOUT_LONGEST;
    arm_timer(c);
    if (c->state == SYN_RECEIVED) {
        send_syn_ack(c);
        return;
    }
    if (c->acked == send_limit(c)) {
        c->deadline = 0;
        return;
    }
    go_back(c, c->segment_size);
    /* A shut window is probed with one byte; the answer says whether it has opened. */
    if (c->window == 0)
        c->window = 1;
}

void tcp_poll(void)
{
    for (struct connection *c = connections; c < connections + TCP_CONNECTIONS_MAX; c++) {
        if (c->state == UNUSED)
            continue;
        run_timers(c);
        if (c->state == ESTABLISHED)
            send_data(c);
    }
}
