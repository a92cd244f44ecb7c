//! Files and their watch.

use coditect_protocol::WorkspaceId;
use coditect_protocol::call::{Item, Reply};
use coditect_protocol::files::{Page, Place, Root, WriteMode};
use coditect_workspace::WorkspaceError;
use coditect_workspace::tree::Deletion;
use coditect_workspace::watch::WatchItem;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::Context;
use crate::error::{ApiError, ApiFault};

/// Bytes of a file sent in one item.
const ITEM_BYTES: u64 = 256 * 1024;

pub(super) async fn stat(context: &Context, place: &Place) -> Result<Reply, ApiError> {
    Ok(Reply::Stat(context.tree(place.root).await?.stat(&place.path).await?))
}

pub(super) async fn read_folder(context: &Context, place: &Place, page: Page) -> Result<Reply, ApiError> {
    Ok(Reply::Folder(context.tree(place.root).await?.read_folder(&place.path, page).await?))
}

pub(super) async fn read(
    context: &Context,
    place: &Place,
    offset: u64,
    length: Option<u64>,
) -> Result<Reply, ApiError> {
    let (stat, mut file) = context.tree(place.root).await?.open_read(&place.path).await?;
    let broken = |error| WorkspaceError::from_io(&place.path, error);
    let mut left = stat.size.saturating_sub(offset).min(length.unwrap_or(u64::MAX));
    refuse_too_large(context, left)?;
    if left > 0 {
        file.seek(std::io::SeekFrom::Start(offset)).await.map_err(broken)?;
    }
    while left > 0 {
        let mut chunk = Vec::with_capacity(usize::try_from(left.min(ITEM_BYTES)).unwrap_or_default());
        (&mut file).take(left.min(ITEM_BYTES)).read_to_end(&mut chunk).await.map_err(broken)?;
        if chunk.is_empty() {
            break; // It became shorter meanwhile; its new version is another read's.
        }
        left -= chunk.len() as u64;
        context.call.item(Item::Bytes(chunk)).await?;
    }
    Ok(Reply::Stat(stat))
}

fn refuse_too_large(context: &Context, size: u64) -> Result<(), ApiFault> {
    let limit = context.state.settings.files_max_call_bytes;
    if size <= limit { Ok(()) } else { Err(ApiFault::FileTooLarge { limit, setting: "files_max_call_bytes" }) }
}

pub(super) async fn write(
    context: &Context,
    place: &Place,
    content: Vec<u8>,
    mode: WriteMode,
) -> Result<Reply, ApiError> {
    refuse_too_large(context, content.len() as u64)?;
    Ok(Reply::Stat(context.tree(place.root).await?.write(&place.path, content.into(), mode).await?))
}

pub(super) async fn make_folder(context: &Context, place: &Place) -> Result<Reply, ApiError> {
    Ok(Reply::Stat(context.tree(place.root).await?.make_folder(&place.path).await?))
}

pub(super) async fn delete(context: &Context, place: &Place, recursive: bool, trash: bool) -> Result<Reply, ApiError> {
    let tree = context.tree(place.root).await?;
    let trash = if trash { Some(context.shown_name().await) } else { None };
    tree.delete(&place.path, Deletion { recursive, known: None, trash }).await?;
    Ok(Reply::Done)
}

pub(super) async fn rename(context: &Context, from: &Place, to: &Place, overwrite: bool) -> Result<Reply, ApiError> {
    Ok(Reply::Stat(context.shared_tree(from, to).await?.rename(&from.path, &to.path, overwrite).await?))
}

pub(super) async fn copy(context: &Context, from: &Place, to: &Place, overwrite: bool) -> Result<Reply, ApiError> {
    Ok(Reply::Stat(context.shared_tree(from, to).await?.copy(&from.path, &to.path, overwrite).await?))
}

pub(super) async fn watch(context: &Context, root: Root) -> Result<Reply, ApiError> {
    let tree = context.tree(root).await?;
    let mut subscription = context.state.watchers.subscribe(context.user, &tree).await?;
    // Only the page knows whether it has seen anything that changed before the watch stood.
    context.call.item(Item::Rescan).await?;
    while let Some(event) = subscription.next().await {
        // By whoever: what programs in terminals write counts as well.
        tree.note_change();
        context
            .call
            .item(match event {
                WatchItem::Changes(changes) => Item::Changes(changes),
                WatchItem::Rescan => Item::Rescan,
                WatchItem::State(state) => Item::Watching(state),
            })
            .await?;
    }
    Ok(Reply::Done)
}

pub(super) async fn set_permissions(context: &Context, place: &Place, permissions: u32) -> Result<Reply, ApiError> {
    Ok(Reply::Stat(context.tree(place.root).await?.set_permissions(&place.path, permissions).await?))
}

pub(super) async fn usage(context: &Context, workspace: WorkspaceId, fresh: bool) -> Result<Reply, ApiError> {
    Ok(Reply::Usage(context.tree(Root::Workspace(workspace)).await?.usage(fresh).await?))
}
