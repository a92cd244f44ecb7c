import { CredentialsForm } from '../parts/CredentialsForm';
import { shell } from '../shell';

export function Login() {
    return (
        <CredentialsForm title="Log in" submitLabel="Log in" busyLabel="Logging in …" autoComplete="current-password"
            send={async credentials => (await shell()).login(credentials)}
            other={{ question: 'New here?', label: 'Create an account', path: '/register' }} />
    );
}
