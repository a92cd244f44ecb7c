// A person with an account, whose cookies are those of a browser context: what a test needs before it starts is made over the API.
import assert from 'node:assert/strict';

export const PASSWORD = 'violet teapot 9 marches';

export class Person {
    constructor(context, url, email) { Object.assign(this, { context, url, email }); }

    /** A new account, logged in. */
    static async register(context, url, email) {
        const person = new Person(context, url, email);
        person.id = (await person.call('POST', 'auth/register', { email, password: PASSWORD })).session.user.id;
        return person;
    }
    /** An answer of the API, whatever it is. */
    async ask(method, route, body, headers = {}) {
        const csrf = (await this.context.cookies(this.url)).find(cookie => cookie.name === 'coditect_csrf')?.value;
        return this.context.request.fetch(`${this.url}api/v5/${route}`, { method, data: body, headers: { ...(csrf && { 'x-coditect-csrf': csrf }), ...headers } });
    }
    /** An answer that is no refusal. */
    async call(method, route, body) {
        const answer = await this.ask(method, route, body);
        assert.ok(answer.ok(), `${method} ${route}: ${answer.status()} ${await answer.text()}`);
        return answer.status() === 204 ? undefined : answer.json();
    }
    /** Logs in once more elsewhere: another session, in the same context. */
    logIn() { return this.call('POST', 'auth/login', { email: this.email, password: PASSWORD }); }
    /** Makes an empty workspace and answers its id. */
    async workspace(name) { return (await this.call('POST', 'workspaces', { name, source: { type: 'empty' } })).id; }
    ideUrl(workspaceId) { return `${this.url}theia/?workspace=${workspaceId}`; }
}
