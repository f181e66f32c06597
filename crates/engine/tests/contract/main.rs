//! The contract suite: one set of cases for every backend, in every directory, on both kinds of runtime.
//!
//! `RIO_TEST_DIRS=label=path:label=path` adds directories, normally one per file system. After each case the engine is
//! shut down, and what was submitted must have been delivered or reclaimed.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a failed step ends the test, and skips are printed"
)]

#[path = "../lab/mod.rs"]
mod lab;

mod borrowed;
mod direct;
mod errors;
mod metadata;
mod modify;
mod opening;
mod transfer;
mod vectored;

use lab::{Kind, run};
use rustfs_rio_engine::EngineConfig;

/// Makes one test per backend and case.
macro_rules! contract {
    ($($module:ident: $($case:ident),+;)+) => {
        contract!(@backend auto, Kind::Auto; $($module: $($case),+;)+);
        contract!(@backend uring, Kind::Uring; $($module: $($case),+;)+);
        contract!(@backend blocking, Kind::Blocking; $($module: $($case),+;)+);
        contract!(@backend sim, Kind::Sim; $($module: $($case),+;)+);
    };
    (@backend $backend:ident, $kind:expr; $($module:ident: $($case:ident),+;)+) => {
        mod $backend {
            use super::*;
            $($(
                #[test]
                fn $case() {
                    run($kind, &EngineConfig::default(), |lab| Box::pin($module::$case(lab)));
                }
            )+)+
        }
    };
}

contract! {
    transfer: whole_ranges_are_transferred, a_read_is_short_only_at_the_end, reads_beyond_the_end_give_nothing,
        nothing_is_transferred_by_empty_buffers, a_write_beyond_the_end_leaves_a_hole, large_transfers,
        every_kind_of_buffer, a_slice_of_a_buffer, concurrent_operations_on_one_file, more_operations_than_may_run,
        dropped_futures_give_up_results_only, interrupted_writes_are_whole_or_absent;
    vectored: buffers_are_filled_in_order, more_buffers_than_the_kernel_takes, empty_buffers_do_not_end_a_transfer,
        no_buffers, the_end_of_the_file_empties_later_buffers, large_vectored_transfers, too_many_buffers,
        concurrent_vectored_operations;
    borrowed: slices_are_transferred, slices_end_with_the_file, large_slices, immediate_transfers_are_honest,
        slices_of_direct_files, refused_slices;
    opening: files_are_created_and_reopened, create_new_makes_exactly_one, truncating_empties_the_file,
        appends_go_to_the_end, permission_bits_of_new_files, close_ends_the_last_handle, clones_share_a_file,
        files_outlive_their_last_handle, abandoned_opens_leave_nothing_open;
    metadata: the_size_can_be_set, attributes_are_those_of_the_file, space_can_be_allocated, holes_can_be_punched,
        unsupported_allocation_is_said, advice_is_taken, files_can_be_synced,
        durable_writes;
    errors: a_missing_file, a_directory, a_file_in_the_place_of_a_directory, impossible_names, forbidden_files,
        handles_without_the_access, contradictory_options, offsets_that_overflow, offsets_no_file_can_have,
        buffers_come_back_from_failures, a_shut_down_engine_refuses;
    direct: aligned_transfers, unaligned_reads_at_every_edge, unaligned_memory, misaligned_writes_are_refused,
        large_unaligned_reads, direct_vectored_transfers, the_page_cache_where_there_is_no_direct_io,
        direct_reads_near_the_largest_offset, a_directory_is_not_a_direct_file, nothing_is_moved_from_an_odd_offset, files_whose_data_is_journalled;
    modify: unaligned_writes_change_their_range_only, unaligned_writes_around_the_end, concurrent_neighbours,
        neighbours_of_aligned_writes, large_unaligned_writes, appending_is_not_modifying;
}
