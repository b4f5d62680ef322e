/*
 * A web server that is its own operating system: it serves the files of a tar volume over HTTP.
 * Start reading here, then follow README.md's guide to the other files.
 */
#include "block.h"
#include "console.h"
#include "interrupts.h"
#include "ip.h"
#include "loader.h"
#include "manifest.h"
#include "net.h"
#include "options.h"
#include "tar.h"
#include "tcp.h"
#include "text.h"
#include "x86.h"

extern char image_end[]; /* kernel.ld: everything we use lies below */

#define KIB 1024

static void check_memory(const struct loader_info *loader)
{
    uint64_t needed = (uint64_t)image_end;

    if (loader->memory_end && loader->memory_end < needed)
        panic("not enough memory: %lu KiB needed, %lu KiB present", needed / KIB,
              loader->memory_end / KIB);
}

/* Everything happens here, in turns; interrupts only end the sleep. */
static noreturn void serve(void)
{
    for (;;) {
        net_receive(ip_input);
        tcp_poll();
        net_flush();
        if (options.fault == FAULT_FLOOD)
            print("fault: flooding the console, tick %lu ...............................\n", now());
        /* With interrupts off between the look and the halt, a packet cannot be slept through. */
        interrupts_off();
        if (net_is_idle() && options.fault != FAULT_FLOOD)
            interrupts_on_and_halt();
        else
            interrupts_on();
    }
}

static noreturn void never_listen(void)
{
    print("fault: not going to listen\n");
    for (;;)
        interrupts_on_and_halt();
}

noreturn void kernel_main(uint32_t loader_address, uint32_t loader_magic)
{
    uint64_t started = cycle_counter();
    const uint8_t *a = options.address, *g = options.gateway;

    console_init();
    print("site: example unikernel, serves a tar volume over HTTP\n");
    struct loader_info loader = loader_read(loader_address, loader_magic);
    options_parse(loader.command_line);
    check_memory(&loader);

    transport_discover();
    manifest_check();
    net_init(&manifest_devices[DEVICE_NETWORK]);
    block_init(&manifest_devices[DEVICE_STORAGE]);
    print("site: 'service' is %02x:%02x:%02x:%02x:%02x:%02x, 'storage' has %lu bytes\n", net_mac[0],
          net_mac[1], net_mac[2], net_mac[3], net_mac[4], net_mac[5], block_capacity());
    tar_index();
    print("site: %u files, %u KiB of memory, ready after %lu million cycles\n", tar_file_count(),
          (unsigned)((uint64_t)image_end / KIB), (cycle_counter() - started) / 1000000);

    interrupts_init();
    if (options.fault == FAULT_PANIC)
        panic("asked for with --fault=panic");
    if (options.fault == FAULT_NEVER_LISTEN)
        never_listen();
    ip_init(options.address);
    print("site: address %u.%u.%u.%u/%u, gateway %u.%u.%u.%u\n", a[0], a[1], a[2], a[3],
          options.prefix, g[0], g[1], g[2], g[3]);
    print("listening on %u.%u.%u.%u:%u\n", a[0], a[1], a[2], a[3], TCP_PORT);
    if (options.fault == FAULT_EXIT)
        kernel_exit(0);
    serve();
}
