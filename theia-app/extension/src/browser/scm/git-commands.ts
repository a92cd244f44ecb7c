import { Command } from '@theia/core';
import { codicon } from '@theia/core/lib/browser';

const CATEGORY = 'Git';

function command(id: string, label: string, icon?: string): Command {
    return { id: `coditect.git.${id}`, category: CATEGORY, label, iconClass: icon && codicon(icon) };
}

/** Everything that can be done with git. Each has a title, so that the command palette and screen readers find it. */
export namespace GitCommands {
    export const REFRESH = command('refresh', 'Refresh', 'refresh');
    export const INIT = command('init', 'Make a Repository of a Folder…', 'repo-create');
    export const CLONE = command('clone', 'Clone Into the Workspace…', 'repo-clone');

    export const STAGE = command('stage', 'Stage Changes', 'add');
    export const STAGE_ALL = command('stageAll', 'Stage All Changes', 'add');
    export const UNSTAGE = command('unstage', 'Unstage Changes', 'remove');
    export const UNSTAGE_ALL = command('unstageAll', 'Unstage All Changes', 'remove');
    export const DISCARD = command('discard', 'Discard Changes…', 'discard');
    export const DISCARD_ALL = command('discardAll', 'Discard All Changes…', 'discard');
    export const OPEN_CHANGES = command('openChanges', 'Open Changes', 'git-compare');
    export const OPEN_FILE = command('openFile', 'Open File', 'go-to-file');
    export const OPEN_HEAD = command('openHead', 'Open File as Committed');
    export const STAGE_LINES = command('stageLines', 'Stage Selected Lines', 'add');
    export const UNSTAGE_LINES = command('unstageLines', 'Unstage Selected Lines', 'remove');
    export const DISCARD_LINES = command('discardLines', 'Discard Selected Lines…', 'discard');
    export const STAGE_CHANGE = command('stageChange', 'Stage Change', 'add');
    export const DISCARD_CHANGE = command('discardChange', 'Discard Change…', 'discard');

    export const COMMIT = command('commit', 'Commit', 'check');
    export const COMMIT_ALL = command('commitAll', 'Commit All Tracked Changes');
    export const COMMIT_AMEND = command('commitAmend', 'Commit (Amend)');
    export const COMMIT_SIGNED_OFF = command('commitSignedOff', 'Commit (Sign Off)');
    export const COMMIT_EMPTY = command('commitEmpty', 'Commit Without Changes');
    export const COMMIT_NO_VERIFY = command('commitNoVerify', 'Commit Without Its Hooks');
    export const COMMIT_AND_PUSH = command('commitAndPush', 'Commit and Push');
    export const UNDO_COMMIT = command('undoCommit', 'Undo Last Commit');
    export const SET_IDENTITY = command('setIdentity', 'Set Name and E-Mail…');

    export const SWITCH = command('switch', 'Switch to Branch or Tag…', 'git-branch');
    export const CREATE_BRANCH = command('createBranch', 'Create Branch…');
    export const CREATE_BRANCH_FROM = command('createBranchFrom', 'Create Branch From…');
    export const RENAME_BRANCH = command('renameBranch', 'Rename Branch…');
    export const DELETE_BRANCH = command('deleteBranch', 'Delete Branch…');
    export const MERGE = command('merge', 'Merge Branch…');
    export const REBASE = command('rebase', 'Rebase Onto…');
    export const CREATE_TAG = command('createTag', 'Create Tag…');
    export const DELETE_TAG = command('deleteTag', 'Delete Tag…');

    export const SYNC = command('sync', 'Synchronize', 'sync');
    export const FETCH = command('fetch', 'Fetch');
    export const FETCH_PRUNE = command('fetchPrune', 'Fetch (Prune)');
    export const PULL = command('pull', 'Pull');
    export const PULL_REBASE = command('pullRebase', 'Pull (Rebase)');
    export const PULL_FROM = command('pullFrom', 'Pull From…');
    export const PUSH = command('push', 'Push');
    export const PUSH_TAGS = command('pushTags', 'Push With Tags');
    export const PUSH_FORCE = command('pushForce', 'Push (Force With Lease)…');
    export const PUSH_TO = command('pushTo', 'Push To…');
    export const PUBLISH = command('publish', 'Publish Branch…', 'cloud-upload');
    export const ADD_REMOTE = command('addRemote', 'Add Remote…');
    export const REMOVE_REMOTE = command('removeRemote', 'Remove Remote…');
    export const FORGET_LOGIN = command('forgetLogin', 'Forget a Login…');

    export const STASH = command('stash', 'Stash…');
    export const STASH_UNTRACKED = command('stashUntracked', 'Stash (With Untracked Files)…');
    export const STASH_KEEP_INDEX = command('stashKeepIndex', 'Stash (Keep Staged)…');
    export const STASH_SHOW = command('stashShow', 'Show Stash…');
    export const STASH_APPLY = command('stashApply', 'Apply Stash…');
    export const STASH_POP = command('stashPop', 'Pop Stash…');
    export const STASH_DROP = command('stashDrop', 'Drop Stash…');

    export const OPEN_MERGE_EDITOR = command('openMergeEditor', 'Resolve in Merge Editor', 'git-merge');
    export const TAKE_OURS = command('takeOurs', 'Accept All Current');
    export const TAKE_THEIRS = command('takeTheirs', 'Accept All Incoming');
    export const MARK_SOLVED = command('markSolved', 'Mark as Solved', 'check');
    export const ACCEPT_CURRENT = command('acceptCurrent', 'Accept Current Change');
    export const ACCEPT_INCOMING = command('acceptIncoming', 'Accept Incoming Change');
    export const ACCEPT_BOTH = command('acceptBoth', 'Accept Both Changes');
    export const NEXT_CONFLICT = command('nextConflict', 'Go to Next Conflict');
    export const PREVIOUS_CONFLICT = command('previousConflict', 'Go to Previous Conflict');
    export const CONTINUE = command('continue', 'Continue', 'debug-continue');
    export const SKIP = command('skip', 'Skip Commit');
    export const ABORT = command('abort', 'Abort…', 'circle-slash');

    export const SHOW_HISTORY = command('showHistory', 'Show History', 'history');
    export const FILE_HISTORY = command('fileHistory', 'Show History of This File or Folder');
    export const SEARCH_HISTORY = command('searchHistory', 'Search History…', 'search');
    export const ALL_HISTORY = command('allHistory', 'Show History of All Branches', 'git-branch');
    export const CLEAR_HISTORY = command('clearHistory', 'Show Whole History of the Branch', 'clear-all');
    export const SHOW_COMMIT = command('showCommit', 'Show Commit…');
    export const COMMIT_COPY_ID = command('commitCopyId', 'Copy Commit’s Id');
    export const COMMIT_COPY_MESSAGE = command('commitCopyMessage', 'Copy Commit’s Message');
    export const COMMIT_SWITCH = command('commitSwitch', 'Check Out Commit (Detached)');
    export const COMMIT_BRANCH = command('commitBranch', 'Create Branch at Commit…');
    export const COMMIT_TAG = command('commitTag', 'Create Tag at Commit…');
    export const COMMIT_CHERRY_PICK = command('commitCherryPick', 'Cherry-Pick Commit');
    export const COMMIT_REVERT = command('commitRevert', 'Revert Commit');
    export const COMMIT_COMPARE = command('commitCompare', 'Compare a File With the Working Tree…');
    export const COMMIT_OPEN_FILE = command('commitOpenFile', 'Open a File at Commit…');

    export const BLAME_TOGGLE = command('blameToggle', 'Show or Hide Who Changed Each Line');
    export const BLAME_COMMIT = command('blameCommit', 'Show Commit of This Line');
}
