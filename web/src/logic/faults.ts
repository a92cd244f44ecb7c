/**
 * Which field a code of the server is about, so that the focus leads there. A form takes those of its fields; all others are told above its
 * button.
 */
const FIELDS = new Map<string | undefined, readonly string[]>(Object.entries({
    'auth.login_taken': ['login'],
    'auth.invalid_login': ['login'],
    'auth.no_such_person': ['login'],
    'workspace.is_member': ['login'],
    'auth.weak_password': ['new-password', 'password'],
    'auth.bad_credentials': ['password'],
    'auth.wrong_password': ['current-password', 'password'],
    'auth.invite_needed': ['invite'],
    'auth.invite_invalid': ['invite'],
    'auth.second_factor_wrong': ['code'],
    'auth.reset_code_wrong': ['code'],
    'auth.no_such_device_code': ['user-code'],
    'auth.device_expired': ['user-code'],
}));

/** The first of a form's fields that a code is about. */
export function faultyField<Id extends string>(code: string | undefined, fields: readonly Id[]): Id | undefined {
    const about = FIELDS.get(code);
    return fields.find(field => about?.includes(field));
}
