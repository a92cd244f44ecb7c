import { Link, useSearchParams } from 'react-router';
import { CredentialsForm } from '../parts/CredentialsForm';
import { shell } from '../shell';

export function Register() {
    const [query] = useSearchParams();
    return (
        <CredentialsForm title="Create your account" submitLabel="Create account" busyLabel="Creating …" autoComplete="new-password"
            passwordHint="At least 12 characters. A few words that only you would put together are best."
            send={async credentials => (await shell()).register(credentials)}>
            <p className="hint">Already registered? <Link to={{ pathname: '/login', search: query.toString() }}>Log in</Link></p>
        </CredentialsForm>
    );
}
