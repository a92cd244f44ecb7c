import { CommandContribution } from '@theia/core';
import { FrontendApplicationContribution } from '@theia/core/lib/browser';
import { ColorContribution } from '@theia/core/lib/browser/color-application-contribution';
import { TabBarDecorator } from '@theia/core/lib/browser/shell/tab-bar-decorator';
import { interfaces } from '@theia/core/shared/inversify';
import { PeopleDecorations } from './people-decorations';
import { PeopleStatus } from './people-status';
import { PresentPeople } from './present-people';

/** Who else is in the workspace. */
export function bindPeople(bind: interfaces.Bind): void {
    bind(PresentPeople).toSelf().inSingletonScope();
    bind(PeopleDecorations).toSelf().inSingletonScope();
    bind(ColorContribution).toService(PeopleDecorations);
    bind(TabBarDecorator).toService(PeopleDecorations);
    bind(PeopleStatus).toSelf().inSingletonScope();
    bind(CommandContribution).toService(PeopleStatus);
    for (const contribution of [PresentPeople, PeopleDecorations, PeopleStatus]) {
        bind(FrontendApplicationContribution).toService(contribution);
    }
}
