//! What comes page by page, as one.

use crate::error::Result;

/// Everything that `page(after, limit)` tells. A page that is not full is the last.
pub(crate) fn all<T: Clone>(
    limit: u32,
    mut page: impl FnMut(Option<&T>, u32) -> Result<Vec<T>>,
) -> impl Iterator<Item = Result<T>> {
    let mut rest = Vec::new().into_iter();
    let (mut last, mut is_over) = (None, false);
    std::iter::from_fn(move || {
        if rest.len() == 0 && !is_over {
            match page(last.as_ref(), limit) {
                Ok(items) => {
                    is_over = u32::try_from(items.len()).is_ok_and(|count| count < limit);
                    rest = items.into_iter();
                }
                Err(error) => {
                    is_over = true;
                    return Some(Err(error));
                }
            }
        }
        let item = rest.next()?;
        last = Some(item.clone());
        Some(Ok(item))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn pages_are_put_together() {
        for count in [0, 1, 2, 3, 4, 5, 6] {
            let page = |after: Option<&u32>, limit: u32| {
                let begin = after.map_or(0, |last| last + 1);
                Ok((begin..count).take(limit as usize).collect())
            };
            let items: Result<Vec<u32>> = all(2, page).collect();
            assert_eq!(items, Ok((0..count).collect()));
        }
    }

    #[test]
    fn an_error_is_the_end() {
        let mut asked = 0;
        let items: Vec<Result<u32>> = all(1, |after, _| {
            asked += 1;
            if after.is_some() { Err(Error::failed("gone")) } else { Ok(vec![7]) }
        })
        .collect();
        assert_eq!((items, asked), (vec![Ok(7), Err(Error::failed("gone"))], 2));
    }
}
