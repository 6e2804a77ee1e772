/* SPDX-License-Identifier: MIT */
#ifndef INK_BASE_LIMITS_H
#define INK_BASE_LIMITS_H

/*
 * limits: every bound on what comes from outside, with its reason.
 *
 * One list, so that a reader can see what a hostile input can cost. Each has a
 * test at its edge.
 */

/* clang-format off */
enum {
    /* architectures and weight files */
    INK_LIMIT_ARCH_SIZE         = 64 << 10, /* bytes of text; 256 nodes take about 10 kB */
    INK_LIMIT_PARAMETERS        = 64 << 20, /* trained numbers, 256 MB; the largest in the zoo has 26 M */
    INK_LIMIT_ACTIVATIONS       = 4 << 20,  /* numbers a picture of all nodes; training holds 2 x batch of them */
    INK_LIMIT_BATCH_NUMBERS     = 1 << 29,  /* activations and gradients of a mini-batch in training: 2 GiB */
    INK_LIMIT_WEIGHTS_SIZE      = 300 << 20, /* bytes of a weight file: all parameters and a header */
    INK_LIMIT_CONFIG_SIZE       = 64 << 10, /* bytes of training options; all of them take 2 kB */
    INK_LIMIT_CHECKPOINT_SIZE   = 1400 << 20, /* bytes: weights, average, best, two of the optimizer */
    INK_LIMIT_HEADER_PARAMETERS = 30000000, /* of a C header: 324 MB of text, for which gcc takes 7 s and 1.9 GB */
    /* json */
    INK_LIMIT_JSON_DEPTH        = 100,      /* nesting; cJSON's own limit is 1000 stack frames */
    INK_LIMIT_JSON_NUMBER_SIZE  = 64,       /* digits of one number; doubles need 25 */
    INK_LIMIT_JSON_SIZE         = 8 << 20,  /* bytes of one document; cJSON takes about 40x that */

    /* data sets */
    INK_LIMIT_IDX_SIZE          = 256 << 20, /* unpacked bytes of a file; EMNIST digits have 180 MiB */
    INK_LIMIT_STROKE_LINE_SIZE  = 1 << 20,   /* one drawing of INK_DRAWING_POINT_MAX points in 26 digits each */
    INK_LIMIT_STROKE_FILE_SIZE  = 256 << 20, /* unpacked */
    INK_LIMIT_STROKE_FILE_COUNT = 500000,    /* drawings; their rows take 374 MiB */
    INK_LIMIT_DATASET_COUNT     = 1000000,   /* rows: 748 MiB */

    /* pictures */
    INK_LIMIT_PICTURE_SIZE      = 16 << 20,  /* bytes of a file: a camera's best JPEG */
    INK_LIMIT_PICTURE_SIDE      = 10000,     /* pixels, either way */
    INK_LIMIT_PICTURE_PIXELS    = 64 << 20,  /* of a JPEG, which is shrunk as it is decoded */
    INK_LIMIT_PICTURE_MEMORY    = 96 << 20,  /* one decoder may hold: 16 megapixels in RGB, twice */

    /* http */
    INK_LIMIT_HTTP_TARGET_SIZE  = 2048,      /* path and query; the longest route needs 150 */
    INK_LIMIT_HTTP_HEAD_SIZE    = 16 << 10,  /* request line and fields: 431 above */
    INK_LIMIT_HTTP_FIELD_COUNT  = 64,        /* browsers send about 20 */
    INK_LIMIT_HTTP_BODY_SIZE    = 8 << 20,   /* 1024 pictures as JSON of Python floats: 413 above */
    INK_LIMIT_HTTP_BODY_SLACK   = 256 << 10, /* read and dropped beyond it, so that the 413 arrives */
    INK_LIMIT_HTTP_FLIGHT_SIZE  = 128 << 20, /* bodies held by all connections together: 503 above */
    INK_LIMIT_HTTP_INSTANCES    = 1024,      /* pictures in one request */
    INK_LIMIT_HTTP_VERBOSE      = 16,        /* of them with every layer: megabytes each */
    INK_LIMIT_HTTP_JSON_VALUES  = 100000,    /* values of a JSON tree at 64 bytes; tensors have none */
    INK_LIMIT_HTTP_CONNECTIONS  = 512,
    INK_LIMIT_HTTP_PER_ADDRESS  = 128,       /* connections of one client */
    INK_LIMIT_HTTP_HEAD_MS      = 10000,     /* from connecting to a whole head */
    INK_LIMIT_HTTP_BODY_MS      = 30000,     /* from there to the whole body ... */
    INK_LIMIT_HTTP_BODY_RATE    = 1024,      /* ... at no less than this many bytes a second */
    INK_LIMIT_HTTP_TOTAL_MS     = 60000,     /* from the head's first line to the reply's last byte */
    INK_LIMIT_HTTP_IDLE_MS      = 30000,     /* between requests of a connection */
    INK_LIMIT_HTTP_DRAIN_MS     = 5000,      /* for what runs when the server stops */

    /* jupyter: sockets */
    INK_LIMIT_JUPYTER_MESSAGE_SIZE    = 64 << 20,  /* bytes of a frame and of a message; a cell needs 8 MB at most */
    INK_LIMIT_JUPYTER_FRAMES          = 64,        /* of a message: 6 are the protocol's, the rest are buffers */
    INK_LIMIT_JUPYTER_IDENTITIES      = 8,         /* routing frames; a client has 1, each proxy adds 1 */
    INK_LIMIT_JUPYTER_HEADER_SIZE     = 64 << 10,  /* the header is pasted into every output of its request */
    INK_LIMIT_JUPYTER_REPLAYS         = 65536,     /* signatures remembered: 1.5 MB */
    INK_LIMIT_JUPYTER_TOPIC_SIZE      = 256,       /* a subscription that is answered with a welcome */
    INK_LIMIT_JUPYTER_CONNECTION_SIZE = 64 << 10,  /* bytes of a connection file; they have 300 */

    /* jupyter: what waits */
    INK_LIMIT_JUPYTER_BACKLOG_SIZE    = 256 << 20, /* bytes of requests that wait; above it shell is not read */
    INK_LIMIT_JUPYTER_OUTBOX_SIZE     = 32 << 20,  /* bytes of outputs that wait; above it a cell waits too */
    INK_LIMIT_JUPYTER_HELD            = 128,       /* comm messages whose statuses are held back */
    INK_LIMIT_JUPYTER_COMMS           = 256,       /* open at a time: a page that is reloaded never closes its own */
    INK_LIMIT_JUPYTER_HISTORY         = 2000,      /* cells remembered; clients ask for 1000 */
    INK_LIMIT_JUPYTER_HISTORY_SIZE    = 16 << 20,  /* and their bytes */
    INK_LIMIT_JUPYTER_STALL_MS        = 10000,     /* one reader that stands still may hold up the others so long */
    INK_LIMIT_JUPYTER_GRACE_MS        = 1000,      /* a cell gets so long to heed its cancel flag at a shutdown */
};
/* clang-format on */

#endif
