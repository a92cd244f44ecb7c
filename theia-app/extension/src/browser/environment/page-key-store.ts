import { KeyStoreService } from '@theia/core/lib/common/key-store';
import { injectable } from '@theia/core/shared/inversify';

/** Secrets of extensions, kept as long as the page is open: a browser has no place where they could lie safely for longer. */
@injectable()
export class PageKeyStore implements KeyStoreService {

    protected readonly services = new Map<string, Map<string, string>>();

    async setPassword(service: string, account: string, password: string): Promise<void> {
        const accounts = this.services.get(service) ?? new Map<string, string>();
        this.services.set(service, accounts.set(account, password));
    }

    async getPassword(service: string, account: string): Promise<string | undefined> {
        return this.services.get(service)?.get(account);
    }

    async deletePassword(service: string, account: string): Promise<boolean> {
        return this.services.get(service)?.delete(account) ?? false;
    }

    async findPassword(service: string): Promise<string | undefined> {
        return this.services.get(service)?.values().next().value;
    }

    async findCredentials(service: string): Promise<{ account: string; password: string }[]> {
        return [...this.services.get(service) ?? []].map(([account, password]) => ({ account, password }));
    }

    async keys(service: string): Promise<string[]> {
        return [...this.services.get(service)?.keys() ?? []];
    }
}
