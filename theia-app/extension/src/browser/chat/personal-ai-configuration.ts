import { AiConfigurationServiceImpl } from '@theia/ai-core/lib/browser/ai-configuration-service-impl';
import { TrustAwarePreferenceReader } from '@theia/ai-core/lib/browser/trust-aware-preference-reader';
import { PreferenceScope } from '@theia/core/lib/common/preferences';
import { injectable } from '@theia/core/shared/inversify';

/**
 * What an agent may do is the person's to say. A repository brings settings of its own, and a model can write them: if they counted, either
 * could switch off the question before a tool runs.
 */
@injectable()
export class PersonalPreferenceReader extends TrustAwarePreferenceReader {

    protected override init(): void {
        this.trusted = false;
        this._ready.resolve();
    }
}

/** Writes where {@link PersonalPreferenceReader} reads, whatever a file of the workspace says. */
@injectable()
export class PersonalAiConfiguration extends AiConfigurationServiceImpl {

    override update(key: string, value: unknown): Promise<void> {
        return this.set(key, value, PreferenceScope.User);
    }
}
