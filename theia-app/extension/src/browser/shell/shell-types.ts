/** Types of the Wasm shell, named after what they are here; taken from its signatures so that they cannot drift. */
import type { Shell } from 'coditect-shell';

type Answer<M extends (...args: never[]) => Promise<unknown>> = Awaited<ReturnType<M>>;

export type SessionInfo = NonNullable<Answer<Shell['session']>>;
export type WorkspaceInfo = Answer<Shell['getWorkspace']>;
export type ShellStatus = ReturnType<Shell['status']>;
export type ShellFileStat = Answer<Shell['stat']>;
export type ShellChange = Parameters<Parameters<Shell['onChanges']>[0]>[0];
export type PersonPresent = Parameters<Parameters<Shell['onPresence']>[0]>[0][number];
export type FileMatches = Parameters<Parameters<Shell['searchText']>[1]>[0][number];
export type TextMatch = FileMatches['matches'][number];
export type TextQuery = Parameters<Shell['searchText']>[0];
export type Replaced = Parameters<Parameters<Shell['replaceText']>[2]>[0];
export type TrashItem = Answer<Shell['listTrash']>[number];
export type Usage = Answer<Shell['usage']>;
export type WriteMode = Parameters<Shell['writeFile']>[2];
export type TerminalInfo = Answer<Shell['createTerminal']>;
export type TerminalExit = Answer<Shell['attachTerminal']>;
export type TerminalProfileInfo = Answer<Shell['listTerminalProfiles']>[number];
export type ModelList = Answer<Shell['listModels']>;
export type ModelInfo = ModelList['models'][number];
export type ChatRequest = Parameters<Shell['chat']>[0];
export type ChatMessage = ChatRequest['messages'][number];
export type ChatDelta = Parameters<Parameters<Shell['chat']>[1]>[0];
export type ChatEnd = Answer<Shell['chat']>;
export type ToolSpec = ReturnType<Shell['tools']>[number];
