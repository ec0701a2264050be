use super::*;

fn launch(text: &str) -> Result<Option<Launch>, LaunchError> {
    let pairs = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let pairs = pairs.map(|line| line.split_once('=').unwrap());
    Launch::of(&pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn place(rank: usize, size: usize) -> Place {
    Place { rank, size }
}

#[test]
fn without_variables_there_is_one_process() {
    assert_eq!(launch(""), Ok(None));
    assert_eq!(launch("HOME=/root\nMASTER_ADDR=a\nLOCAL_RANK=3"), Ok(None));
    assert_eq!(launch("RANK=0\nWORLD_SIZE=1"), Ok(None));
    assert_eq!(launch("RANK=\nWORLD_SIZE="), Ok(None));
}

/// Of `torchrun --nproc-per-node 2 --no-python`, torch 2.11.0, after one restart.
#[test]
fn torchrun() {
    let found = launch(
        "GROUP_RANK=0
         GROUP_WORLD_SIZE=1
         LOCAL_RANK=1
         LOCAL_WORLD_SIZE=2
         MASTER_ADDR=127.0.0.1
         MASTER_PORT=29511
         OMP_NUM_THREADS=1
         RANK=1
         ROLE_NAME=default
         ROLE_RANK=1
         ROLE_WORLD_SIZE=2
         TORCHELASTIC_MAX_RESTARTS=1
         TORCHELASTIC_RESTART_COUNT=1
         TORCHELASTIC_RUN_ID=none
         TORCHELASTIC_USE_AGENT_STORE=True
         TORCH_NCCL_ASYNC_ERROR_HANDLING=1
         WORLD_SIZE=2",
    );
    let expected = Launch {
        place: place(1, 2),
        local: Some(place(1, 2)),
        host: "127.0.0.1".into(),
        port: 29511,
        end: End::Client,
        attempt: 1,
        job: "none".into(),
    };
    assert_eq!(found, Ok(Some(expected)));
    // The agent serves the store, so that rank 0 does not.
    let first = launch("RANK=0\nWORLD_SIZE=2\nMASTER_ADDR=a\nTORCHELASTIC_USE_AGENT_STORE=True").unwrap().unwrap();
    assert_eq!(first.end, End::Client);
    let first = launch("RANK=0\nWORLD_SIZE=2\nMASTER_ADDR=a\nTORCHELASTIC_USE_AGENT_STORE=False").unwrap().unwrap();
    assert_eq!(first.end, End::Server);
}

/// Of `srun -N 2 --ntasks 3`, Slurm 22.05.8.
#[test]
fn slurm() {
    let step = "SLURM_JOB_ID=123457
         SLURM_JOB_NODELIST=node[07-08]
         SLURM_LAUNCH_NODE_IPADDR=10.0.0.1
         SLURM_LOCALID=1
         SLURM_NNODES=2
         SLURM_NODEID=0
         SLURM_NODELIST=node[07-08]
         SLURM_NPROCS=3
         SLURM_NTASKS=3
         SLURM_PROCID=1
         SLURM_STEP_ID=4
         SLURM_STEP_NODELIST=node[07-08]
         SLURM_STEP_NUM_NODES=2
         SLURM_STEP_NUM_TASKS=3
         SLURM_STEP_TASKS_PER_NODE=2,1
         SLURM_TASKS_PER_NODE=2,1";
    let expected = Launch {
        place: place(1, 3),
        local: Some(place(1, 2)),
        host: "node07".into(),
        port: 23_457,
        end: End::Client,
        attempt: 0,
        job: "123457.4".into(),
    };
    assert_eq!(launch(step), Ok(Some(expected.clone())));
    let again = launch(&format!("{step}\nSLURM_RESTART_COUNT=2\nMASTER_ADDR=10.0.0.7\nMASTER_PORT=4000"));
    let elsewhere = Launch { host: "10.0.0.7".into(), port: 4000, attempt: 2, ..expected };
    assert_eq!(again, Ok(Some(elsewhere)));
    let last = step.replace("PROCID=1", "PROCID=2").replace("NODEID=0", "NODEID=1").replace("LOCALID=1", "LOCALID=0");
    assert_eq!(launch(&last).unwrap().unwrap().local, Some(place(0, 1)));
}

/// A batch script has a rank and a number of tasks, and is alone.
#[test]
fn a_batch_script_of_slurm_is_one_process() {
    let script = "SLURM_JOB_ID=9\nSLURM_PROCID=0\nSLURM_LOCALID=0\nSLURM_NTASKS=8\nSLURM_NODELIST=a\nSLURM_NODEID=0";
    assert_eq!(launch(script), Ok(None));
    assert_eq!(launch(&format!("{script}\nSLURM_STEP_NUM_TASKS=1\nSLURM_STEP_ID=0")), Ok(None));
    // torchrun, started there or in a step of one task on each host, is what counts.
    let torchrun = "RANK=2\nWORLD_SIZE=4\nMASTER_ADDR=a\nMASTER_PORT=1234";
    let inside = launch(&format!("{script}\nSLURM_STEP_NUM_TASKS=2\n{torchrun}")).unwrap().unwrap();
    assert_eq!((inside.place, inside.port), (place(2, 4), 1234));
}

/// Of `mpirun -n 4`, Open MPI 4.1.4, by itself and inside a job of Slurm's.
#[test]
fn open_mpi() {
    let ranks = "OMPI_COMM_WORLD_LOCAL_RANK=3
         OMPI_COMM_WORLD_LOCAL_SIZE=4
         OMPI_COMM_WORLD_NODE_RANK=3
         OMPI_COMM_WORLD_RANK=3
         OMPI_COMM_WORLD_SIZE=4
         OMPI_UNIVERSE_SIZE=4
         PMIX_RANK=3";
    let expected = Launch {
        place: place(3, 4),
        local: Some(place(3, 4)),
        host: "127.0.0.1".into(),
        port: 29500,
        end: End::Client,
        attempt: 0,
        job: String::new(),
    };
    assert_eq!(launch(ranks), Ok(Some(expected)));
    let daemon = "SLURM_JOB_ID=5\nSLURM_PROCID=1\nSLURM_STEP_NUM_TASKS=2\nSLURM_STEP_NODELIST=a,b\nSLURM_LOCALID=0";
    let hosts = ranks.replace("LOCAL_SIZE=4", "LOCAL_SIZE=2").replace("LOCAL_RANK=3", "LOCAL_RANK=1");
    assert_eq!(launch(&format!("{hosts}\n{daemon}")), Err(LaunchError::NoAddress { size: 4 }));
    let inside = launch(&format!("{hosts}\n{daemon}\nMASTER_ADDR=a")).unwrap().unwrap();
    assert_eq!((inside.place, inside.local), (place(3, 4), Some(place(1, 2))));
}

#[test]
fn launchers_that_speak_pmi() {
    let found = launch("PMI_RANK=1\nPMI_SIZE=2\nMPI_LOCALRANKID=1\nMPI_LOCALNRANKS=2").unwrap().unwrap();
    assert_eq!((found.place, found.host.as_str()), (place(1, 2), "127.0.0.1"));
}

#[test]
fn by_hand() {
    let found = launch("RANK=0\nWORLD_SIZE=2\nMASTER_ADDR=hostA\nMASTER_PORT=29501").unwrap().unwrap();
    assert_eq!(found.end, End::Server);
    assert_eq!((found.local, found.host.as_str(), found.port), (None, "hostA", 29501));
    assert_eq!(launch("RANK=1\nWORLD_SIZE=2\nMASTER_ADDR=hostA").unwrap().unwrap().port, 29500);
}

#[test]
fn what_does_not_tell_who_this_is_gets_a_sentence() {
    let error = |text: &str| launch(text).unwrap_err().to_string();
    assert_eq!(error("RANK=0"), "RANK is set but WORLD_SIZE is not; set both, or neither");
    assert_eq!(error("WORLD_SIZE=2"), "WORLD_SIZE is set but RANK is not; set both, or neither");
    assert_eq!(error("RANK=2\nWORLD_SIZE=2"), "RANK is 2, and must be below WORLD_SIZE, which is 2");
    assert_eq!(error("RANK=0\nWORLD_SIZE=0"), "RANK is 0, and must be below WORLD_SIZE, which is 0");
    assert_eq!(error("RANK=one\nWORLD_SIZE=2"), "RANK is 'one', and must be a whole number");
    assert_eq!(
        error("RANK=0\nWORLD_SIZE=4"),
        "MASTER_ADDR is not set and the 4 processes are not all on this host; set it to the host of rank 0 in each of them"
    );
    assert_eq!(
        error("RANK=0\nWORLD_SIZE=4\nMASTER_ADDR=a\nMASTER_PORT=70000"),
        "MASTER_PORT is '70000', and must be a whole number"
    );
}

#[test]
fn lists_of_hosts() {
    for (list, first) in [
        ("node[07-09,12],b3", Some("node07")),
        ("node[3,5]", Some("node3")),
        ("a,b", Some("a")),
        ("a", Some("a")),
        ("", None),
    ] {
        assert_eq!(first_node(list).as_deref(), first, "{list}");
    }
    let local = |counts: &str, node: &str| {
        let variable = |name: &str| match name {
            "SLURM_LOCALID" => Some("0"),
            "SLURM_NODEID" => Some(node),
            _ => Some(counts),
        };
        slurm_local(&variable).map(|place| place.size)
    };
    assert_eq!(local("2(x2),1", "1"), Some(2));
    assert_eq!(local("2(x2),1", "2"), Some(1));
    assert_eq!(local("8(x4)", "3"), Some(8));
    assert_eq!(local("8(x4)", "4"), None);
    assert_eq!(local("odd", "0"), None);
}
