/* SPDX-License-Identifier: MIT */

/* main: what inkling.js offers to the adapters of the notebooks and to the page. */

import { VIEW_MIME, VIEW_VERSION } from './protocol.js';
import { openClassicComm, openLabComm } from './transport/comm.js';
import { openHttp } from './transport/http.js';
import { Link } from './link.js';

export { VIEW_MIME, VIEW_VERSION, Link, openClassicComm, openLabComm, openHttp };
