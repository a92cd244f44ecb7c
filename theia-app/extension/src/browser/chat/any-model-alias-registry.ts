import { LanguageModelAlias } from '@theia/ai-core';
import { DefaultLanguageModelAliasRegistry } from '@theia/ai-core/lib/browser/frontend-language-model-alias-registry';
import { inject, injectable, postConstruct } from '@theia/core/shared/inversify';
import { ModelCatalogue } from './model-catalogue';

/** Agents ask for a kind of model (`default/universal`). Unless the person chose one for it, that is the first model there is. */
@injectable()
export class AnyModelAliasRegistry extends DefaultLanguageModelAliasRegistry {

    @inject(ModelCatalogue) protected readonly catalogue: ModelCatalogue;

    @postConstruct()
    protected override init(): void {
        super.init();
        this.catalogue.onDidChange(() => this.onDidChangeEmitter.fire());
    }

    override getAliases(): LanguageModelAlias[] {
        return super.getAliases().map(alias => ({ ...alias, defaultModelIds: this.available }));
    }

    override resolveAlias(id: string): string[] | undefined {
        const alias = this.aliases.find(candidate => candidate.id === id);
        return alias && (alias.selectedModelId ? [alias.selectedModelId, ...this.available] : this.available);
    }

    protected get available(): string[] {
        return this.catalogue.models.map(({ id }) => id);
    }
}
