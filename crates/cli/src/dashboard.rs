//! `--dashboard ADDR`: a dashboard beside a run of this program.
//!
//! It has threads of its own, so that a run that keeps its threads busy does not keep it from answering. A run counts into the recorder of
//! [`Beside::monitor`].

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use rustfs_rio::{
    AdvancedPerformanceMonitor, PerformanceMonitorConfig, RuntimeConfig, RuntimeHandle,
    init_runtime_with_config,
};
use rustfs_rio_dash::{Dashboard, Server, Watched};
use tokio::runtime::Runtime;

/// For the engine behind the dashboard, which has nothing to do.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);

/// Where a run is shown.
#[derive(Debug, Default, Clone, Args)]
pub(crate) struct DashboardArgs {
    /// Shows the run on a web page, such as at 127.0.0.1:9100; addresses that others can reach need --dashboard-token
    #[arg(long, value_name = "ADDR")]
    pub(crate) dashboard: Option<String>,
    /// Token that the dashboard demands; RIO_DASHBOARD_TOKEN keeps it out of the list of processes
    #[arg(long, value_name = "TOKEN", requires = "dashboard")]
    dashboard_token: Option<String>,
    /// Lets the dashboard silence alerts
    #[arg(long, requires = "dashboard")]
    dashboard_control: bool,
}

/// A dashboard that is served until it is dropped.
pub(crate) struct Beside {
    threads: Option<Runtime>,
    server: Option<Server>,
    rio: RuntimeHandle,
    monitor: Arc<AdvancedPerformanceMonitor>,
    url: String,
}

impl Beside {
    /// Starts it, if it is asked for.
    pub(crate) fn start(args: &DashboardArgs) -> anyhow::Result<Option<Self>> {
        let Some(address) = &args.dashboard else { return Ok(None) };
        let threads = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("rio-dashboard")
            .enable_all()
            .build()
            .context("cannot start the dashboard's threads")?;
        let (rio, monitor, server) = threads.block_on(async {
            let monitor = Arc::new(AdvancedPerformanceMonitor::new(PerformanceMonitorConfig::default()));
            let config = RuntimeConfig { recorder: Some(monitor.recorder()), ..RuntimeConfig::from_env()? };
            let rio = init_runtime_with_config(config)?;
            let mut dashboard = Dashboard::new(&Watched::new(&rio, &monitor));
            let token = args.dashboard_token.clone().or_else(|| std::env::var("RIO_DASHBOARD_TOKEN").ok());
            if let Some(token) = token {
                dashboard = dashboard.token(token);
            }
            if args.dashboard_control {
                dashboard = dashboard.allow_control();
            }
            let server = dashboard.serve(address).await?;
            anyhow::Ok((rio, monitor, server))
        })?;
        let url = server.url();
        Ok(Some(Self { threads: Some(threads), server: Some(server), rio, monitor, url }))
    }

    /// What a run counts into.
    pub(crate) fn monitor(&self) -> &Arc<AdvancedPerformanceMonitor> {
        &self.monitor
    }

    /// Address of its first page.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let Some(threads) = self.threads.take() else { return };
        if let Some(server) = self.server.take() {
            threads.block_on(server.shutdown());
        }
        threads.block_on(self.rio.shutdown(SHUTDOWN_DEADLINE));
        threads.block_on(self.monitor.shutdown());
    }
}
