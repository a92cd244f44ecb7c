//! Argon2 in memory that goes back to the system.
//!
//! A hash takes tens of megabytes. What is freed of that size stays with the thread that had it: glibc gives back at once only
//! blocks that it maps each on its own, and raises the size from which on it does with each such block that it gets back, up to
//! [`MAPPED_BYTES`]. Of the many threads that hash over time each would come to hold such a block for good.

use argon2::password_hash::phc::{Output, ParamsString, Salt};
use argon2::password_hash::{CustomizedPasswordHasher, Error, Result};
use argon2::{Algorithm, Argon2, Block, Params, PasswordHash, Version};

/// Blocks of more bytes are always mapped on their own, and so given back when they are freed (mallopt(3),
/// `DEFAULT_MMAP_THRESHOLD_MAX`). What is reserved beyond a hash's need is never touched, and takes no memory.
const MAPPED_BYTES: usize = 32 * 1024 * 1024;

/// Argon2 as the crate has it, but for where it works.
pub(super) struct Argon;

impl CustomizedPasswordHasher<PasswordHash> for Argon {
    type Params = Params;

    fn hash_password_customized(
        &self,
        password: &[u8],
        salt: &[u8],
        algorithm: Option<&str>,
        version: Option<u32>,
        params: Params,
    ) -> Result<PasswordHash> {
        let algorithm = algorithm.map(Algorithm::try_from).transpose()?.unwrap_or_default();
        let version = version.map(Version::try_from).transpose()?.unwrap_or_default();
        let salt = Salt::new(salt)?;
        let mut buffer = [0; Output::MAX_LENGTH];
        let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let output = buffer.get_mut(..length).ok_or(Error::OutputSize)?;
        let mut blocks = Vec::with_capacity(params.block_count().max(MAPPED_BYTES / Block::SIZE + 1));
        blocks.resize(params.block_count(), Block::default());
        let params_told = ParamsString::try_from(&params)?;
        Argon2::new(algorithm, version, params).hash_password_into_with_memory(password, &salt, output, &mut blocks)?;
        Ok(PasswordHash {
            algorithm: algorithm.ident(),
            version: Some(version.into()),
            params: params_told,
            salt: Some(salt),
            hash: Some(Output::new(output)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

    use super::*;

    const SALT: &[u8] = b"salt of 16 bytes";

    #[test]
    fn a_hash_is_the_one_of_the_crate() {
        let params = Params::new(64, 2, 1, None).unwrap();
        let ours = Argon.hash_password_with_params(b"a password", SALT, params.clone()).unwrap();
        let theirs = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        assert_eq!(ours, theirs.hash_password_with_salt(b"a password", SALT).unwrap());
        let old = Argon2::new(Algorithm::Argon2i, Version::V0x10, Params::new(64, 3, 2, Some(16)).unwrap());
        let old = old.hash_password_with_salt(b"a password", SALT).unwrap();
        assert_eq!(Argon.verify_password(b"a password", &old), Ok(()));
        assert_eq!(Argon.verify_password(b"another one", &old), Err(Error::PasswordInvalid));
    }

    #[test]
    fn memory_goes_back_from_every_thread() {
        let resident = || {
            let told = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
            let line = told.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
        };
        let hash = || Argon.hash_password_with_params(b"a password", SALT, Params::DEFAULT).unwrap();
        let before = resident();
        let barrier = std::sync::Barrier::new(9);
        let after = std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    // The second would find what the first had left.
                    assert_eq!(hash(), hash());
                    barrier.wait();
                    barrier.wait();
                });
            }
            barrier.wait();
            let after = resident();
            barrier.wait();
            after
        });
        // Eight times 19 MiB, were they kept.
        assert!(after < before + 76 * 1024, "from {before} to {after} KiB");
    }
}
