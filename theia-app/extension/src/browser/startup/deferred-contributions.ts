import { JsonSchemaStore } from '@theia/core/lib/browser/json-schema-store';
import { injectable } from '@theia/core/shared/inversify';
import { SkillPromptCoordinator } from '@theia/ai-core/lib/browser/skill-prompt-coordinator';

/** Longest that deferred work waits for a quiet moment, in milliseconds. */
const IDLE_TIMEOUT_MS = 5000;

/** Schemas are collected after the start, in a quiet moment: they take a tenth of it, and only who edits settings asks for them. */
@injectable()
export class DeferredJsonSchemaStore extends JsonSchemaStore {

    override onStart(): void {
        const collect = () => super.onStart();
        // Safari has no idle callbacks.
        if (typeof requestIdleCallback === 'function') {
            requestIdleCallback(collect, { timeout: IDLE_TIMEOUT_MS });
        } else {
            setTimeout(collect, IDLE_TIMEOUT_MS);
        }
    }
}

/** Looks for the chat's skills beside the start instead of in it: that is several questions to the server, one after the other. */
@injectable()
export class DeferredSkillPromptCoordinator extends SkillPromptCoordinator {

    override async onStart(): Promise<void> {
        super.onStart().catch(error => console.error(error));
    }
}
