import type { AuthConfig } from 'coditect-shell';

/** How long a password may be, in characters. */
export type PasswordRules = Pick<AuthConfig, 'password_min_chars' | 'password_max_chars'>;

const ADVICE = 'A few words that only you would put together are best.';

/** What to say beside a new password while it is typed. Only its length is known here; the server judges the rest. */
export function passwordHint(password: string, rules: PasswordRules | undefined): string {
    if (!rules) {
        return ADVICE;
    }
    const { password_min_chars: min, password_max_chars: max } = rules;
    // As the server counts: characters, not halves of them.
    const count = [...password].length;
    if (count === 0) {
        return `Take ${min} characters or more. ${ADVICE}`;
    }
    if (count < min) {
        return `${count} of at least ${min} characters. ${ADVICE}`;
    }
    if (count > max) {
        return `${count} characters; ${max} are the most.`;
    }
    return `${count} characters, long enough. Whether it is easy to guess is checked when you go on.`;
}
