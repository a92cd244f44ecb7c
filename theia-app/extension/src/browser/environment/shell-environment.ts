import { ApplicationServer } from '@theia/core/lib/common/application-protocol';
import { EnvVariable, EnvVariablesServer } from '@theia/core/lib/common/env-variables';
import { OS } from '@theia/core/lib/common/os';
import { FrontendApplicationConfigProvider } from '@theia/core/lib/browser/frontend-application-config-provider';
import { inject, injectable } from '@theia/core/shared/inversify';
import { CliPreferences } from '@theia/preferences/lib/common/cli-preferences';
import { ShellHost } from '../shell/shell-host';

/** Folder in the person's home where settings, keymaps and layouts are kept. */
const CONFIG_FOLDER = '.theia';

/** Where the person's home and settings are: on the server, so that they follow the person from browser to browser. */
@injectable()
export class ShellEnvVariablesServer implements EnvVariablesServer {

    @inject(ShellHost) protected readonly host: ShellHost;

    async getHomeDirUri(): Promise<string> {
        return this.host.homeUri.toString();
    }

    async getConfigDirUri(): Promise<string> {
        return this.host.homeUri.resolve(CONFIG_FOLDER).toString();
    }

    async getVariables(): Promise<EnvVariable[]> {
        return [{ name: 'HOME', value: this.host.homeUri.path.toString() }];
    }

    async getValue(key: string): Promise<EnvVariable | undefined> {
        return (await this.getVariables()).find(({ name }) => name === key);
    }

    async getExecPath(): Promise<string> {
        return '';
    }

    async getDrives(): Promise<string[]> {
        return ['file:///'];
    }
}

/** What the IDE tells about itself, for instance in the About dialogue. */
@injectable()
export class ShellApplicationServer implements ApplicationServer {

    @inject(ShellHost) protected readonly host: ShellHost;

    async getApplicationInfo(): ReturnType<ApplicationServer['getApplicationInfo']> {
        return { name: FrontendApplicationConfigProvider.get().applicationName, version: this.host.status.server_version ?? '' };
    }

    async getExtensionsInfos(): ReturnType<ApplicationServer['getExtensionsInfos']> {
        return [];
    }

    async getApplicationRoot(): Promise<string> {
        return '';
    }

    async getApplicationPlatform(): Promise<string> {
        return 'web';
    }

    async getBackendOS(): Promise<OS.Type> {
        return OS.Type.Linux;
    }
}

/** There is no command line in a browser. */
@injectable()
export class NoCliPreferences implements CliPreferences {

    async getPreferences(): Promise<[string, unknown][]> {
        return [];
    }

    async getSessionPreferences(): Promise<[string, unknown][]> {
        return [];
    }
}
