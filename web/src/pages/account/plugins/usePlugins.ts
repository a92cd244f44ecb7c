import { useState } from 'react';
import type { CapabilityName, Installed, PackageSource, Review, Shell } from 'coditect-shell';
import { problemOf, type Problem } from '../../../logic/problem';
import type { Asked } from '../../../parts/ConsentDialog';
import { useLoaded } from '../../../parts/useLoaded';
import { shell } from '../../../shell';

export interface Known {
    rust: Shell;
    installed: Installed[];
}

/** The plugins of a workspace, and what a person does about them. */
export function usePlugins(workspace: string) {
    const { value: known, problem, reload, change } = useLoaded<Known>(async () => {
        const rust = await shell();
        return { rust, installed: (await rust.listInstalledPlugins(workspace)).plugins };
    });
    const [late, setLate] = useState<Problem>();
    const [busy, setBusy] = useState(false);
    const [asked, setAsked] = useState<Asked>();

    async function busily(run: (rust: Shell) => Promise<void>): Promise<void> {
        setBusy(true);
        setLate(undefined);
        try {
            await run(await shell());
        } catch (error) {
            setLate(problemOf(error));
        } finally {
            setBusy(false);
        }
    }
    function ask(rust: Shell, review: Review, source: PackageSource): void {
        const before = known?.installed.find(({ manifest }) => manifest.id === review.manifest.id);
        setAsked({ consent: rust.consentInWords(review, before), review, source });
    }
    function put(plugin: Installed): void {
        change(now => ({ ...now, installed: [...now.installed.filter(({ manifest }) => manifest.id !== plugin.manifest.id), plugin].toSorted((a, b) => a.manifest.id.localeCompare(b.manifest.id)) }));
        reload();
    }
    return {
        known, problem, reload, late, setLate, busy, busily, asked, closeAsked: () => setAsked(undefined), put,
        /** Shows what a version of the registry asks for. */
        install: (id: string, version?: string) => busily(async rust => {
            const source: PackageSource = { source: 'registry', id, version };
            ask(rust, await rust.reviewPlugin(workspace, source), source);
        }),
        installFile: (file: File) => busily(async rust => {
            const review = await rust.reviewPluginFile(workspace, file);
            ask(rust, review, { source: 'file', sha256: review.sha256 });
        }),
        update: (plugin: Installed) => busily(async rust => {
            if (plugin.update) {
                ask(rust, plugin.update, { source: 'registry', id: plugin.manifest.id, version: plugin.update.manifest.version });
            }
        }),
        agree: async ({ review, source }: Asked, grant: CapabilityName[]) => {
            put(await (await shell()).installPlugin({ workspace, consent: review.consent, grant, ...source }));
        },
        remove: async (id: string) => {
            await (await shell()).uninstallPlugin(workspace, id);
            change(now => ({ ...now, installed: now.installed.filter(({ manifest }) => manifest.id !== id) }));
            reload();
        },
    };
}

export type Plugins = ReturnType<typeof usePlugins>;
