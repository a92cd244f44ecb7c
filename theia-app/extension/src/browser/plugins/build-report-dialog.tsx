import { ReactDialog } from '@theia/core/lib/browser/dialogs/react-dialog';
import * as React from '@theia/core/shared/react';
import type { Block } from 'coditect-shell';
import { MarkdownBlocks } from './markdown-blocks';

export interface BuildReport {
    readonly title: string;
    readonly passed: boolean;
    readonly summary: string;
    readonly details: readonly Block[];
}

/** What a step of a build said in full. */
export class BuildReportDialog extends ReactDialog<void> {

    constructor(protected readonly report: BuildReport) {
        super({ title: report.title, maxWidth: 640 });
        this.addClass('plugin-report');
        this.appendCloseButton('Close');
    }

    get value(): void {
        return undefined;
    }

    protected render(): React.ReactNode {
        const { passed, summary, details } = this.report;
        return <div tabIndex={0} className='plugin-report-body'>
            <p className={passed ? undefined : 'coditect-problem'}>{passed ? 'Passed' : 'Failed'}: {summary}</p>
            <div className='plugin-markdown'><MarkdownBlocks blocks={[...details]} /></div>
        </div>;
    }
}
