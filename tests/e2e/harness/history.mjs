// A repository with a history, written at once.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';

/** Commits of the main branch before its rename and its merge, and files of the first of them. */
export const COMMITS = 300;
export const FILES = 400;
/** When the first commit was made, and the time between two, in seconds. */
const BEGAN = 1_600_000_000;
const BETWEEN = 3600;

/** Lines that all commits leave alone, but for those named. */
export const lines = (changed = {}) => Array.from({ length: 40 }, (_, index) => `${changed[index + 1] ?? `line ${index + 1}`}\n`).join('');

/**
 * A bare repository: `main` with some hundred commits, a rename, a merge of `feature` and the tag v1; `conflicting` changes line 20 as `main` does
 * not; `series` has three commits, of which the first one is against `main`'s line 20, too.
 */
export function makeHistory(dir) {
    const stream = new Stream();
    const all = Object.fromEntries(Array.from({ length: FILES }, (_, index) => [`src/part-${index % 20}/file-${index}.txt`, `file ${index}\n`]));
    stream.commit('main', 'Begin', { ...all, 'lines.txt': lines(), 'notes.txt': 'notes\nof three\nlines\n', 'README.md': '# Project\n' });
    for (let number = 2; number <= COMMITS; number++) {
        const index = number % FILES;
        stream.commit('main', `Change ${number}`, { [`src/part-${index % 20}/file-${index}.txt`]: `file ${index}\nchanged by ${number}\n` });
    }
    const fork = stream.branch('feature', 'main');
    stream.commit('feature', 'Add a feature', { 'feature.txt': 'a feature\n' });
    stream.commit('feature', 'Finish the feature', { 'feature.txt': 'a feature\nfinished\n' });
    stream.commit('main', 'Rename the notes', {}, { rename: ['notes.txt', 'docs/notes.txt'] });
    stream.commit('main', "Merge branch 'feature'", { 'feature.txt': 'a feature\nfinished\n' }, { merge: 'feature' });
    stream.commit('main', 'Change line 20', { 'lines.txt': lines({ 20: 'line 20 of main' }) }, { author: 'Grace Hopper <grace@example.org>' });
    stream.branch('conflicting', fork);
    stream.commit('conflicting', 'Change line 20 otherwise', { 'lines.txt': lines({ 20: 'line 20 of the other side' }) });
    stream.branch('series', fork);
    stream.commit('series', 'First of the series', { 'lines.txt': lines({ 20: 'line 20 of the series' }) });
    stream.commit('series', 'Second of the series', { 'second.txt': 'second\n' });
    stream.commit('series', 'Third of the series', { 'third.txt': 'third\n' });
    stream.text('reset refs/tags/v1\nfrom refs/heads/feature\n\n');
    fs.mkdirSync(dir, { recursive: true });
    execFileSync('git', ['init', '-q', '--bare', '-b', 'main', dir]);
    execFileSync('git', ['fast-import', '--quiet'], { cwd: dir, input: stream.parts.join('') });
}

/** What `git fast-import` reads. */
class Stream {
    parts = [];
    mark = 0;
    tips = {};

    text(text) { this.parts.push(text); }

    data(text) { this.text(`data ${Buffer.byteLength(text)}\n${text}\n`); }

    /** A branch that starts where another one is, or at a commit; answers that commit. */
    branch(name, at) {
        const from = this.tips[at] ?? at;
        this.text(`reset refs/heads/${name}\nfrom ${from}\n\n`);
        return this.tips[name] = from;
    }
    commit(branch, message, files, { merge, rename, author = 'Ada Lovelace <ada@example.org>' } = {}) {
        const time = BEGAN + BETWEEN * ++this.mark;
        this.text(`commit refs/heads/${branch}\nmark :${this.mark}\nauthor ${author} ${time} +0000\ncommitter ${author} ${time} +0000\n`);
        this.data(message);
        if (merge) { this.text(`merge refs/heads/${merge}\n`); }
        if (rename) { this.text(`R ${rename.join(' ')}\n`); }
        for (const [path, content] of Object.entries(files)) {
            this.text(`M 100644 inline ${path}\n`);
            this.data(content);
        }
        this.tips[branch] = `:${this.mark}`;
    }
}
