// A small disk that a test may fill up.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const FILLER = 'filler';

export class SmallDisk {
    /** Why there can be none here, or false. */
    static missing() {
        if (process.platform !== 'linux' || process.getuid() !== 0) { return 'only root can mount a small disk to fill up'; }
        try {
            SmallDisk.mount(1024 * 1024).unmount();
            return false;
        } catch (error) { return `a small disk cannot be mounted here: ${String(error.stderr ?? error).trim()}`; }
    }
    static mount(bytes) {
        const disk = new SmallDisk();
        disk.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'coditect-disk-'));
        try {
            execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=700`, 'coditect-e2e', disk.dir], { stdio: 'pipe' });
        } catch (error) {
            fs.rmdirSync(disk.dir);
            throw error;
        }
        return disk;
    }
    /** Takes what is left, to the last byte. */
    fill() {
        const file = fs.openSync(path.join(this.dir, FILLER), 'a');
        try {
            for (let block = Buffer.alloc(64 * 1024); block.length > 0;) {
                try {
                    fs.writeSync(file, block);
                } catch (error) {
                    if (error.code !== 'ENOSPC') { throw error; }
                    block = block.subarray(0, block.length >> 1);
                }
            }
        } finally { fs.closeSync(file); }
    }
    free() { fs.rmSync(path.join(this.dir, FILLER)); }

    unmount() {
        execFileSync('umount', [this.dir], { stdio: 'pipe' });
        fs.rmdirSync(this.dir);
    }
}
