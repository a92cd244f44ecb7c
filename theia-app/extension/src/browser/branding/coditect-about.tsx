import { DEFAULT_SUPPORTED_MONACO_VERSION } from '@theia/application-package/lib/api';
import { AboutDialog, ABOUT_CONTENT_CLASS } from '@theia/core/lib/browser/about-dialog';
import { inject, injectable } from '@theia/core/shared/inversify';
import * as React from '@theia/core/shared/react';
import { ShellHost } from '../shell/shell-host';

/** What runs here, and in which version; that is what a report of a problem needs. */
@injectable()
export class CoditectAbout extends AboutDialog {

    @inject(ShellHost) protected readonly host: ShellHost;

    protected override render(): React.ReactNode {
        const facts: readonly [string, string | undefined][] = [
            ['IDE', this.applicationInfo?.version],
            ['Server', this.host.status.server_version ?? undefined],
            ['Editor', `Monaco ${DEFAULT_SUPPORTED_MONACO_VERSION}`],
            ['Browser', navigator.userAgent]
        ];
        return <div className={`${ABOUT_CONTENT_CLASS} coditect-about`}>
            <div className='coditect-logo' aria-hidden='true' />
            <dl>{facts.map(([name, value]) => <React.Fragment key={name}><dt>{name}</dt><dd>{value ?? '–'}</dd></React.Fragment>)}</dl>
            <p>Free software under the Apache License 2.0, built on Eclipse Theia and Monaco.</p>
        </div>;
    }
}
