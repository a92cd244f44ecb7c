import { Link, useSearchParams } from 'react-router';
import { CredentialsForm } from '../parts/CredentialsForm';
import { shell } from '../shell';

export function Login() {
    const [query] = useSearchParams();
    return (
        <CredentialsForm title="Log in" submitLabel="Log in" busyLabel="Logging in …" autoComplete="current-password"
            send={async credentials => (await shell()).login(credentials)}>
            <p className="hint">New here? <Link to={{ pathname: '/register', search: query.toString() }}>Create an account</Link></p>
        </CredentialsForm>
    );
}
