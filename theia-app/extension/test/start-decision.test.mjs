import assert from 'node:assert/strict';
import { test } from 'node:test';
import start from '../lib/browser/shell/start-decision.js';

const { decideStart } = start;
const facts = {
    base: new URL('https://ide.example/sub/'),
    page: new URL('https://ide.example/sub/theia/?workspace=w1#/x'),
    session: { user: {}, session_id: 's', expires_at: 0 }
};
const workspace = state => ({ id: 'w1', name: 'Demo', folder: 'demo', state });

test('who is not logged in goes to the login and comes back', () => {
    assert.deepEqual(decideStart({ ...facts, session: undefined, workspace: undefined }), {
        type: 'go', url: 'https://ide.example/sub/login?next=%2Fsub%2Ftheia%2F%3Fworkspace%3Dw1'
    });
});

test('without a workspace there is the dashboard', () => {
    assert.deepEqual(decideStart({ ...facts, workspace: undefined }), { type: 'go', url: 'https://ide.example/sub/dashboard' });
});

test('a ready workspace is opened', () => {
    assert.deepEqual(decideStart({ ...facts, workspace: workspace({ type: 'ready' }) }), { type: 'open' });
});

test('one that is being prepared is waited for, and its step shown', () => {
    const decide = state => decideStart({ ...facts, workspace: workspace({ type: 'creating', step: 'Receiving objects', ...state }) });
    assert.deepEqual(decide({ percent: 12 }), { type: 'wait', message: '“Demo” is being prepared: Receiving objects (12 %)' });
    assert.deepEqual(decide({ percent: undefined }), { type: 'wait', message: '“Demo” is being prepared: Receiving objects' });
});

test('one that failed says why, with the code', () => {
    const decision = decideStart({ ...facts, workspace: workspace({ type: 'failed', code: 'workspace.clone_failed', message: 'The repository was not found.' }) });
    assert.equal(decision.type, 'refuse');
    assert.match(decision.message, /The repository was not found\. \(workspace\.clone_failed\)/);
});
