/** Types of git as the Wasm shell has them. */
import type { GitReply } from 'coditect-shell';
export type {
    ChosenLines, CommitDetails, CommitFile, CommitRequest, ConflictRegion, GitBlame, GitBranch, GitCommit, GitLog, GitProgress, GitRefs, GitRemote, GitReply,
    GitRequest, GitResource, GitState, GitStash, GitTag, Integration, LineAction, LineRange, LogRequest, PushRequest, Version
} from 'coditect-shell';

/** Replies that carry something, by their names. */
export type ReplyName = Exclude<GitReply, string> extends infer R ? R extends object ? keyof R : never : never;
/** What the reply of a name carries. */
export type ReplyOf<N extends ReplyName> = Extract<GitReply, Record<N, unknown>>[N];
