//! wasmtime alone, set up as its makers advise for many short calls: pooling, copy on write, epochs, a new instance for each call. It has
//! no limits but the pool's, asks nobody whether a call may be made, and looks at nothing that comes back.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../plugins/wit/v1",
        inline: "
            package bench:component;
            world bench {
                import coditect:plugin/settings@1.0.0;
                export coditect:plugin/tools@1.0.0;
            }
        ",
        world: "bench:component/bench",
        imports: { default: async },
        exports: { default: async },
    });
}

use bindings::BenchIndices;
use bindings::coditect::plugin::{settings, types};

#[derive(Default)]
struct Nothing;

impl settings::Host for Nothing {
    async fn get(&mut self, _: String) -> Option<String> {
        Some("\"quick\"".into())
    }
}

impl types::Host for Nothing {}

pub(crate) struct Raw {
    engine: Engine,
    instance: InstancePre<Nothing>,
    exports: BenchIndices,
}

/// How long the parts of one call took.
pub(crate) struct Parts {
    pub(crate) instantiate: Duration,
    pub(crate) call: Duration,
    pub(crate) whole: Duration,
}

impl Raw {
    pub(crate) fn new(component: &[u8]) -> Result<Self> {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_core_instances(1000).total_component_instances(1000).total_memories(1000).total_tables(1000);
        pool.total_stacks(1000).max_memory_size(64 << 20);
        let mut config = Config::new();
        config.epoch_interruption(true).allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config).map_err(|error| anyhow!("{error:#}"))?;
        let component = Component::new(&engine, component).map_err(|error| anyhow!("{error:#}"))?;
        let mut linker = Linker::new(&engine);
        bindings::Bench::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut Nothing| state)
            .map_err(|error| anyhow!("{error:#}"))?;
        let instance = linker.instantiate_pre(&component).map_err(|error| anyhow!("{error:#}"))?;
        let exports = BenchIndices::new(&instance).map_err(|error| anyhow!("{error:#}"))?;
        Ok(Self { engine, instance, exports })
    }

    /// One call in an instance of its own.
    pub(crate) async fn call(&self, tool: &str, arguments: &str) -> Result<Parts> {
        let began = Instant::now();
        let mut store = Store::new(&self.engine, Nothing);
        store.set_epoch_deadline(1_000_000);
        let instance = self.instance.instantiate_async(&mut store).await.map_err(|error| anyhow!("{error:#}"))?;
        let instantiate = began.elapsed();
        let called = Instant::now();
        let plugin = self.exports.load(&mut store, &instance).map_err(|error| anyhow!("{error:#}"))?;
        let answer = plugin.coditect_plugin_tools().call_call(&mut store, tool, arguments).await;
        let call = called.elapsed();
        let _ = answer.map_err(|error| anyhow!("{error:#}"))?.map_err(|error| anyhow!("{error:?}"))?;
        drop(store);
        Ok(Parts { instantiate, call, whole: began.elapsed() })
    }
}
