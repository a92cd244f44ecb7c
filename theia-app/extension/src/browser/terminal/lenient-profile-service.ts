import { DefaultTerminalProfileService } from '@theia/terminal/lib/browser/terminal-profile-service';

/** Profiles of terminals. The one that the person prefers may become known later than it is asked for, or not be there any more. */
export class LenientProfileService extends DefaultTerminalProfileService {

    protected preferred: string | undefined;

    override setDefaultProfile(id: string): void {
        this.preferred = id;
        if (this.getProfile(id)) {
            super.setDefaultProfile(id);
        }
    }

    override handleAdded(id: string): void {
        super.handleAdded(id);
        if (id === this.preferred) {
            super.setDefaultProfile(id);
        }
    }
}
