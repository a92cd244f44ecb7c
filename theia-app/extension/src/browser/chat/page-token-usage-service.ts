import { TokenUsage, TokenUsageParams, TokenUsageService, TokenUsageServiceClient } from '@theia/ai-core';
import { Emitter } from '@theia/core';
import { inject, injectable } from '@theia/core/shared/inversify';

/** Most answers remembered one by one; the sums go on beyond it. */
const MAX_RECORDS = 1000;

/** Counts the tokens used since the page was opened. Theia's chat cannot do without it. */
@injectable()
export class PageTokenUsageService implements TokenUsageService {

    @inject(TokenUsageServiceClient) protected client: TokenUsageServiceClient | undefined;

    protected readonly usages: TokenUsage[] = [];
    protected readonly changeEmitter = new Emitter<void>();
    readonly onDidChange = this.changeEmitter.event;

    /** Tokens read by and written by all models. */
    readonly total = { input: 0, output: 0 };

    async recordTokenUsage(model: string, params: TokenUsageParams): Promise<void> {
        const usage: TokenUsage = { ...params, model, timestamp: new Date() };
        this.usages.push(usage);
        this.usages.splice(0, Math.max(0, this.usages.length - MAX_RECORDS));
        this.total.input += params.inputTokens;
        this.total.output += params.outputTokens;
        this.client?.notifyTokenUsage(usage);
        this.changeEmitter.fire();
    }

    async getTokenUsages(): Promise<TokenUsage[]> {
        return [...this.usages];
    }

    setClient(client: TokenUsageServiceClient): void {
        this.client = client;
    }
}
