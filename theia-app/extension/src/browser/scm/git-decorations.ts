import { Emitter, URI } from '@theia/core';
import { FrontendApplicationContribution } from '@theia/core/lib/browser';
import { ColorContribution } from '@theia/core/lib/browser/color-application-contribution';
import { ColorRegistry } from '@theia/core/lib/browser/color-registry';
import { Decoration, DecorationsProvider, DecorationsService } from '@theia/core/lib/browser/decorations-service';
import { inject, injectable } from '@theia/core/shared/inversify';
import { GitRepositories } from './git-repositories';
import type { GitResource } from './git-types';

/** Colours of changed files, by the names that themes have for them. */
const COLORS = {
    added: { dark: '#81b88b', light: '#587c0c', description: 'Colour of added files.' },
    modified: { dark: '#e2c08d', light: '#895503', description: 'Colour of changed files.' },
    deleted: { dark: '#c74e39', light: '#ad0707', description: 'Colour of deleted files.' },
    renamed: { dark: '#73c991', light: '#007100', description: 'Colour of renamed and copied files.' },
    untracked: { dark: '#73c991', light: '#007100', description: 'Colour of files that git does not know.' },
    conflicting: { dark: '#e4676b', light: '#ad0707', description: 'Colour of files with conflicts.' },
    submodule: { dark: '#8db9e2', light: '#1258a7', description: 'Colour of repositories within a repository.' }
} as const;

/** Which decoration counts where a file stands in several groups, and for its folders: the larger. */
const WEIGHTS = [['index', 1], ['untracked', 2], ['work_tree', 3], ['merge', 4]] as const;

/** Shows in the explorer, in tabs and lists which files are changed. */
@injectable()
export class GitDecorations implements FrontendApplicationContribution, ColorContribution, DecorationsProvider {

    @inject(GitRepositories) protected readonly repositories: GitRepositories;
    @inject(DecorationsService) protected readonly decorations: DecorationsService;

    protected readonly changeEmitter = new Emitter<URI[]>();
    readonly onDidChange = this.changeEmitter.event;
    /** By address. */
    protected shown = new Map<string, Decoration>();

    onStart(): void {
        this.decorations.registerDecorationsProvider(this);
        this.repositories.onDidChange(() => this.update());
        this.repositories.onDidRemove(() => this.update());
    }

    registerColors(registry: ColorRegistry): void {
        registry.register(...Object.entries(COLORS).map(([name, { dark, light, description }]) => ({
            id: colorOf(name as keyof typeof COLORS),
            defaults: { dark, light, hcDark: dark, hcLight: light },
            description
        })));
    }

    provideDecorations(uri: URI): Decoration | undefined {
        return this.shown.get(uri.toString());
    }

    protected update(): void {
        const before = this.shown;
        this.shown = new Map();
        for (const { state, uri } of this.repositories.all) {
            for (const [group, weight] of WEIGHTS) {
                state?.[group].forEach(resource => this.shown.set(uri.resolve(resource.path).toString(), toDecoration(resource, weight)));
            }
        }
        // Theia asks anew for all of these, and forgets what else it was told.
        const addresses = new Set([...before.keys(), ...this.shown.keys()]);
        this.changeEmitter.fire([...addresses].map(address => new URI(address)));
    }
}

function toDecoration({ change, conflict, submodule, letter, label }: GitResource, weight: number): Decoration {
    const colorId = colorOf(conflict ? 'conflicting' : submodule ? 'submodule' : colorNameOf(change));
    // What is gone from a folder changes the folder, but is no sign of something in it.
    return { weight, colorId, letter, tooltip: label, bubble: change !== 'deleted' };
}

function colorNameOf(change: GitResource['change']): keyof typeof COLORS {
    switch (change) {
        case 'added': return 'added';
        case 'deleted': return 'deleted';
        case 'renamed':
        case 'copied': return 'renamed';
        case 'untracked': return 'untracked';
        default: return 'modified';
    }
}

function colorOf(name: keyof typeof COLORS): string {
    return `gitDecoration.${name}ResourceForeground`;
}
