import { LanguageModel, LanguageModelRegistry } from '@theia/ai-core';
import { Emitter } from '@theia/core';
import { inject, injectable, interfaces } from '@theia/core/shared/inversify';
import { ShellHost } from '../shell/shell-host';
import { ShellProblem } from '../shell/shell-problem';
import type { ModelInfo, ModelList } from '../shell/shell-types';
import { ShellLanguageModel } from './shell-language-model';

export const ModelRegistryProvider = Symbol('ModelRegistryProvider');
/** The registry needs the models and the models need the registry, so it is asked for late. */
export type ModelRegistryProvider = () => LanguageModelRegistry;

export function createModelRegistryProvider({ container }: interfaces.Context): ModelRegistryProvider {
    return () => container.get(LanguageModelRegistry);
}

/** The server's models, kept in step with Theia's registry. */
@injectable()
export class ModelCatalogue {

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(ModelRegistryProvider) protected readonly registry: ModelRegistryProvider;

    protected list: ModelList = { models: [], upstreams: [] };
    protected failure: string | undefined;
    protected running: { readonly anew: boolean; readonly done: Promise<void> } | undefined;
    protected readonly changeEmitter = new Emitter<void>();
    /** The models, or what is known about their upstreams, changed. */
    readonly onDidChange = this.changeEmitter.event;

    get models(): readonly ModelInfo[] {
        return this.list.models;
    }

    get upstreams(): ModelList['upstreams'] {
        return this.list.upstreams;
    }

    /** One sentence that says how to get a model; `undefined` where there is one. */
    get advice(): string | undefined {
        if (this.list.models.length > 0) {
            return undefined;
        }
        return this.list.advice ?? this.failure ?? 'The models are being looked for.';
    }

    /** For the registry, when it is made. */
    async firstModels(): Promise<LanguageModel[]> {
        await this.load(false);
        return this.list.models.map(info => this.toLanguageModel(info));
    }

    /** Looks again; with `anew` the server asks the upstreams themselves. */
    async refresh(anew: boolean): Promise<void> {
        if (this.running && (this.running.anew || !anew)) {
            return this.running.done;
        }
        // One that only asks the server's memory does not answer whoever wants the upstreams asked.
        const earlier = this.running?.done ?? Promise.resolve();
        const done = earlier.then(() => this.update(anew)).finally(() => {
            if (this.running?.done === done) {
                this.running = undefined;
            }
        });
        this.running = { anew, done };
        return done;
    }

    protected async update(anew: boolean): Promise<void> {
        const before = this.list.models;
        await this.load(anew);
        const same = (a: ModelInfo, b: ModelInfo) => a.id === b.id && a.context_tokens === b.context_tokens;
        const gone = before.filter(old => !this.list.models.some(now => same(old, now)));
        const added = this.list.models.filter(now => !before.some(old => same(old, now)));
        if (gone.length > 0) {
            this.registry().removeLanguageModels(gone.map(({ id }) => id));
        }
        if (added.length > 0) {
            this.registry().addLanguageModels(added.map(info => this.toLanguageModel(info)));
        }
    }

    /** Keeps what is known when the server cannot be asked. */
    protected async load(anew: boolean): Promise<void> {
        const before = JSON.stringify([this.list, this.failure]);
        try {
            this.list = await this.host.shell.listModels(anew);
            this.failure = undefined;
        } catch (error) {
            this.failure = ShellProblem.describe(error);
        }
        if (JSON.stringify([this.list, this.failure]) !== before) {
            this.changeEmitter.fire();
        }
    }

    protected toLanguageModel(info: ModelInfo): LanguageModel {
        return new ShellLanguageModel(info, this.host.shell);
    }
}
