// A model server of a test, which speaks chat completions.
import http from 'node:http';

/** Name of its only model. */
export const MODEL = 'echo';

/** Answers each question as `answer` says: with what a message of a model has, in pieces of a stream. It remembers what it was told. */
export class Models {
    questions = [];

    constructor(answer) { this.answer = answer; }

    async start() {
        this.server = http.createServer((request, response) => {
            let text = '';
            request.on('data', data => { text += data; }).on('end', () => this.serve(request, text, response));
        });
        await new Promise(resolve => this.server.listen(0, '127.0.0.1', resolve));
        return this;
    }
    serve(request, text, response) {
        if (request.url.endsWith('/models')) {
            response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ object: 'list', data: [{ id: MODEL, object: 'model', created: 0, owned_by: 'test' }] }));
            return;
        }
        this.questions.push(text);
        const delta = this.answer(JSON.parse(text));
        const chunk = (delta, finish_reason = null) => `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 0, model: MODEL, choices: [{ index: 0, delta, finish_reason }] })}\n\n`;
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.end(chunk({ role: 'assistant', ...delta }) + chunk({}, delta.tool_calls ? 'tool_calls' : 'stop') + 'data: [DONE]\n\n');
    }
    get port() { return this.server.address().port; }
    get url() { return `http://127.0.0.1:${this.port}`; }
    stop() {
        this.server.closeAllConnections();
        return new Promise(resolve => this.server.close(resolve));
    }
}
