import { Emitter } from '@theia/core';
import { BasicChannel } from '@theia/core/lib/common/message-rpc/channel';
import { ReadBuffer } from '@theia/core/lib/common/message-rpc/message-buffer';
import { Uint8ArrayReadBuffer, Uint8ArrayWriteBuffer } from '@theia/core/lib/common/message-rpc/uint8-array-message-buffer';

/** The channel over which a terminal's widget gets output and sends what is typed, both as strings. */
export class TerminalChannel extends BasicChannel {

    protected readonly inputEmitter: Emitter<string>;
    protected readonly decoder = new TextDecoder();

    constructor() {
        const input = new Emitter<string>();
        super(() => {
            const buffer = new Uint8ArrayWriteBuffer();
            buffer.onCommit(message => input.fire(new Uint8ArrayReadBuffer(message).readString()));
            return buffer;
        });
        this.inputEmitter = input;
    }

    /** What the person typed, and what the terminal answers to its program. */
    get onInput(): Emitter<string>['event'] {
        return this.inputEmitter.event;
    }

    /** Output of the program. A character that is cut between two pieces is put together. */
    output(bytes: Uint8Array): void {
        this.print(this.decoder.decode(bytes, { stream: true }));
    }

    /** A line of our own in the terminal. */
    notice(text: string): void {
        this.print(`\r\n\x1b[33m${text}\x1b[0m\r\n`);
    }

    /** Nothing comes any more. */
    end(reason: string): void {
        this.print(this.decoder.decode());
        this.onCloseEmitter.fire({ reason });
        this.inputEmitter.dispose();
    }

    protected print(text: string): void {
        if (text.length > 0) {
            this.onMessageEmitter.fire(() => toReadBuffer(text));
        }
    }
}

function toReadBuffer(text: string): ReadBuffer {
    const writer = new Uint8ArrayWriteBuffer();
    let message = new Uint8Array();
    writer.onCommit(bytes => message = new Uint8Array(bytes));
    writer.writeString(text).commit();
    return new Uint8ArrayReadBuffer(message);
}
