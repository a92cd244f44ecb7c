/**
 * What a terminal says by itself when a program asks it something: its kind, the place of its cursor, its size, a mode, a colour. Shift+F3
 * looks like the place of the cursor, too.
 */
// eslint-disable-next-line no-control-regex
const ANSWERS = /^(?:\x1b\[[?>]?[\d;]*(?:[cRnt]|\$y)|\x1b[\]P][^\x1b\x07]*(?:\x1b\\|\x07))+$/;

/**
 * Keeps back what a terminal answers to questions of long ago. Output that is shown once more, after a reload or in another page, holds
 * the questions, too; the program has its answers, and would take these for something that was typed. From the first key on they pass.
 */
export class AnswerFilter {

    protected used = false;

    /** Whether this goes to the program. */
    passes(input: string): boolean {
        this.used ||= !ANSWERS.test(input);
        return this.used;
    }
}
