import { CredentialsForm } from '../parts/CredentialsForm';
import { shell } from '../shell';

export function Register() {
    return (
        <CredentialsForm title="Create your account" submitLabel="Create account" busyLabel="Creating …" autoComplete="new-password"
            passwordHint="Take 12 characters or more. A few words that only you would put together are best."
            send={async credentials => (await shell()).register(credentials)}
            other={{ question: 'Already registered?', label: 'Log in', path: '/login' }} />
    );
}
