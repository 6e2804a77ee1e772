/* SPDX-License-Identifier: MIT */

/* heartbeat: say back what is said, whatever it is: the process lives. */

#include "base/cleanup.h"
#include "kernel/jupyter/kernel_priv.h"

void
ink_heartbeat_actor(zsock_t *pipe, void *args)
{
    zsock_t *socket = ((struct ink_kernel *)args)->sockets[INK_SOCKET_HEARTBEAT];
    zpoller_t *poller = zpoller_new(pipe, socket, NULL);

    ink_kernel_name_thread("ink-heartbeat");
    (void)zsock_signal(pipe, 0);
    while (zpoller_wait(poller, -1) == socket) {
        /* A ROUTER: the first frame of what came in is where the echo goes. */
        INK_CLEANUP(zmsg_destroy) zmsg_t *beat = zmsg_recv(socket);

        if (beat)
            (void)zmsg_send(&beat, socket);
    }
    zpoller_destroy(&poller);
}
