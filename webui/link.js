/* SPDX-License-Identifier: MIT */

/*
 * link: keeps one view in touch with its kernel.
 *
 * One frame is in flight at a time and only the newest waiting frame is kept, so a slow kernel means fewer frames, never
 * a lag. No answer for two seconds, or a closed transport: a new one is opened, with a growing pause between attempts,
 * and the newest frame is sent again.
 */

import { openData, readMessage } from './protocol.js';

/** No answer for this long: the transport is dropped. */
export const ANSWER_TIMEOUT_MS = 2000;
/** No answer for this long: the state becomes `slow`. */
export const SLOW_MS = 500;
const RETRY_FIRST_MS = 250;
const RETRY_LAST_MS = 8000;

/**
 * @typedef {Object} Transport
 * @property {(data: any) => void} send
 * @property {() => void} close
 * @property {((data: any) => void) | null} onmessage
 * @property {(() => void) | null} onclose
 */

/**
 * @typedef {'none' | 'opening' | 'live' | 'slow' | 'lost' | 'ended'} LinkState
 *   none: there is no kernel; opening: first contact; live: in touch; slow: an answer is due; lost: trying again
 */

/**
 * @typedef {Object} LinkEvents
 * @property {(hello: import('./protocol.js').Hello) => void} onhello
 * @property {(answer: import('./protocol.js').Answer, frame: any) => void} onanswer
 * @property {(message: string) => void} onerror  the kernel refused a frame, or said something that cannot be read
 * @property {(state: LinkState) => void} onstate
 */

/** Timers, so that tests can have their own. */
const REAL_TIMERS = {
    set: (/** @type {() => void} */ f, /** @type {number} */ ms) => setTimeout(f, ms),
    clear: (/** @type {any} */ id) => clearTimeout(id),
};

export class Link {
    /**
     * @param {(data: any) => Transport | null | Promise<Transport | null>} open  null: there is no kernel now
     * @param {string} view
     * @param {string} id
     * @param {LinkEvents} events
     */
    constructor(open, view, id, events, timers = REAL_TIMERS) {
        this.open = open;
        this.data = openData(view, id);
        this.events = events;
        this.timers = timers;
        /** @type {LinkState} */
        this.state = 'none';
        /** @type {Transport | null} */
        this.transport = null;
        this.greeted = false;
        /** @type {any} */
        this.waiting = null;
        /** @type {any} */
        this.inFlight = null;
        this.timer = this.slowTimer = null;
        this.retryMs = RETRY_FIRST_MS;
        this.attempt = 0;
    }

    /** Open, or open anew: at the start, and when the adapter knows of a new kernel. */
    connect() {
        if (this.state === 'ended') return;
        this.retryMs = RETRY_FIRST_MS;
        this.drop();
        this.reach();
    }

    /**
     * Send a frame, or keep it until the one in flight is answered; a newer one takes its place.
     * @param {{data: any, since: number, time: number}} frame  `since`: when the first input was that it brings
     */
    push(frame) {
        if (this.waiting) frame.since = Math.min(frame.since, this.waiting.since);
        this.waiting = frame;
        this.pump();
    }

    /** Say goodbye; nothing is sent or reported from here on. */
    end() {
        this.drop();
        this.state = 'ended';
    }

    /** @private */
    setState(/** @type {LinkState} */ state) {
        if (this.state === state || this.state === 'ended') return;
        this.state = state;
        this.events.onstate(state);
    }

    /** @private */
    stopTimers() {
        this.timers.clear(this.timer);
        this.timers.clear(this.slowTimer);
        this.timer = this.slowTimer = null;
    }

    /** Let go of the transport; what was in flight waits again, unless something newer does. @private */
    drop() {
        this.stopTimers();
        this.attempt++;
        this.greeted = false;
        if (this.inFlight && !this.waiting) this.waiting = this.inFlight;
        this.inFlight = null;
        const transport = this.transport;
        this.transport = null;
        if (!transport) return;
        transport.onmessage = transport.onclose = null;
        try {
            transport.close();
        } catch {
            /* it was closed from the other side */
        }
    }

    /** @private */
    async reach() {
        const attempt = ++this.attempt;
        if (this.state === 'none') this.setState('opening');
        this.timer = this.timers.set(() => this.lose(), ANSWER_TIMEOUT_MS);
        let transport = null;
        try {
            transport = await this.open(this.data);
        } catch {
            if (attempt === this.attempt) this.lose();
            return;
        }
        if (attempt !== this.attempt) {
            if (transport) transport.close();
            return;
        }
        if (!transport) {
            this.stopTimers();
            this.setState('none');
            return;
        }
        this.transport = transport;
        transport.onmessage = (data) => this.hear(data);
        transport.onclose = () => this.lose();
    }

    /** The transport is gone or silent: try again after a pause. @private */
    lose() {
        this.drop();
        this.setState('lost');
        this.timer = this.timers.set(() => this.reach(), this.retryMs);
        this.retryMs = Math.min(2 * this.retryMs, RETRY_LAST_MS);
    }

    /** @private */
    pump() {
        if (!this.transport || !this.greeted || this.inFlight || !this.waiting) return;
        this.inFlight = this.waiting;
        this.waiting = null;
        this.timer = this.timers.set(() => this.lose(), ANSWER_TIMEOUT_MS);
        this.slowTimer = this.timers.set(() => this.setState('slow'), SLOW_MS);
        this.transport.send(this.inFlight.data);
    }

    /** @private */
    hear(/** @type {any} */ data) {
        let message;
        try {
            message = readMessage(data);
        } catch (error) {
            this.events.onerror(`not understood: ${/** @type {Error} */ (error).message}`);
            if (data && data.type === 'hello') return;
            message = null;
        }
        if (message && message.type === 'hello') this.greet(message);
        else if (!message) this.settle(null);
        else if (message.type === 'error') {
            this.events.onerror(message.message);
            this.settle(null);
        } else if (this.inFlight && message.seq === this.inFlight.data.seq) this.settle(message);
    }

    /** @private */
    greet(/** @type {import('./protocol.js').Hello} */ hello) {
        if (this.greeted) return;
        this.stopTimers();
        this.greeted = true;
        this.retryMs = RETRY_FIRST_MS;
        this.setState('live');
        this.events.onhello(hello);
        this.pump();
    }

    /** The frame in flight is dealt with. @private */
    settle(/** @type {import('./protocol.js').Answer | null} */ answer) {
        this.stopTimers();
        const frame = this.inFlight;
        this.inFlight = null;
        if (!this.greeted) return;
        this.setState('live');
        if (answer) this.events.onanswer(answer, frame);
        this.pump();
    }
}
