// Generated from IStaking.sol by `npm run gen`. Do not edit.
import type { Abi } from '../kit/abi.ts'

export const abi = {
  "functions": {
    "applyPenalty": {
      "selector": "0xf5ab42f7",
      "source": "function applyPenalty(address delegator, address validator) returns (uint256 amount)",
      "mutability": "nonpayable",
      "inputs": [
        ["delegator", "address"],
        ["validator", "address"]
      ],
      "outputs": [
        ["amount", "uint256"]
      ]
    },
    "attestReady": {
      "selector": "0x90c88a3e",
      "source": "function attestReady(uint64 height, bytes32 blockHash, bytes blsSignature)",
      "mutability": "nonpayable",
      "inputs": [
        ["height", "uint64"],
        ["blockHash", "bytes32"],
        ["blsSignature", "bytes"]
      ],
      "outputs": []
    },
    "claimRewards": {
      "selector": "0xef5cfb8c",
      "source": "function claimRewards(address validator) returns (uint256 amount)",
      "mutability": "nonpayable",
      "inputs": [
        ["validator", "address"]
      ],
      "outputs": [
        ["amount", "uint256"]
      ]
    },
    "createValidator": {
      "selector": "0x3f533a3d",
      "source": "function createValidator(bytes blsKey, bytes proofOfPossession, bytes32 peerIdDigest, uint16 commissionBps, string moniker) payable",
      "mutability": "payable",
      "inputs": [
        ["blsKey", "bytes"],
        ["proofOfPossession", "bytes"],
        ["peerIdDigest", "bytes32"],
        ["commissionBps", "uint16"],
        ["moniker", "string"]
      ],
      "outputs": []
    },
    "delegate": {
      "selector": "0x5c19a95c",
      "source": "function delegate(address validator) payable",
      "mutability": "payable",
      "inputs": [
        ["validator", "address"]
      ],
      "outputs": []
    },
    "delegation": {
      "selector": "0x046d3307",
      "source": "function delegation(address delegator, address validator) view returns (uint256 amount, uint256 shares)",
      "mutability": "view",
      "inputs": [
        ["delegator", "address"],
        ["validator", "address"]
      ],
      "outputs": [
        ["amount", "uint256"],
        ["shares", "uint256"]
      ]
    },
    "editValidator": {
      "selector": "0xa31dc0ec",
      "source": "function editValidator(uint16 commissionBps, bytes32 peerIdDigest, string moniker)",
      "mutability": "nonpayable",
      "inputs": [
        ["commissionBps", "uint16"],
        ["peerIdDigest", "bytes32"],
        ["moniker", "string"]
      ],
      "outputs": []
    },
    "epoch": {
      "selector": "0x900cf0cf",
      "source": "function epoch() view returns (uint64 current, uint64 firstHeight, uint64 electedAt)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        ["current", "uint64"],
        ["firstHeight", "uint64"],
        ["electedAt", "uint64"]
      ]
    },
    "exit": {
      "selector": "0xe9fad8ee",
      "source": "function exit()",
      "mutability": "nonpayable",
      "inputs": [],
      "outputs": []
    },
    "operatorOfKey": {
      "selector": "0xe65d1af2",
      "source": "function operatorOfKey(bytes blsKey) view returns (address operator)",
      "mutability": "view",
      "inputs": [
        ["blsKey", "bytes"]
      ],
      "outputs": [
        ["operator", "address"]
      ]
    },
    "operatorOfPeer": {
      "selector": "0x16352e75",
      "source": "function operatorOfPeer(bytes32 peerIdDigest) view returns (address operator)",
      "mutability": "view",
      "inputs": [
        ["peerIdDigest", "bytes32"]
      ],
      "outputs": [
        ["operator", "address"]
      ]
    },
    "parameters": {
      "selector": "0x89035730",
      "source": "function parameters() view returns ((uint256,uint256,uint256,uint256,uint256,uint256,uint256,uint256) values)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        [
          "values",
          {
            "tuple": [
              ["maxValidators", "uint256"],
              ["minSelfBond", "uint256"],
              ["minDelegation", "uint256"],
              ["unbondingTime", "uint256"],
              ["rewardRate", "uint256"],
              ["maxCommission", "uint256"],
              ["commissionStep", "uint256"],
              ["epochBlocks", "uint256"]
            ]
          }
        ]
      ]
    },
    "pendingRewards": {
      "selector": "0x80ac8228",
      "source": "function pendingRewards(address delegator, address validator) view returns (uint256 amount)",
      "mutability": "view",
      "inputs": [
        ["delegator", "address"],
        ["validator", "address"]
      ],
      "outputs": [
        ["amount", "uint256"]
      ]
    },
    "redelegate": {
      "selector": "0x6bd8f804",
      "source": "function redelegate(address from, address to, uint256 amount)",
      "mutability": "nonpayable",
      "inputs": [
        ["from", "address"],
        ["to", "address"],
        ["amount", "uint256"]
      ],
      "outputs": []
    },
    "redelegation": {
      "selector": "0x9fc6a17c",
      "source": "function redelegation(address delegator, address validator) view returns (address from, uint256 amount, uint64 epoch, uint64 matures)",
      "mutability": "view",
      "inputs": [
        ["delegator", "address"],
        ["validator", "address"]
      ],
      "outputs": [
        ["from", "address"],
        ["amount", "uint256"],
        ["epoch", "uint64"],
        ["matures", "uint64"]
      ]
    },
    "rotateBlsKey": {
      "selector": "0x26260ace",
      "source": "function rotateBlsKey(bytes blsKey, bytes proofOfPossession)",
      "mutability": "nonpayable",
      "inputs": [
        ["blsKey", "bytes"],
        ["proofOfPossession", "bytes"]
      ],
      "outputs": []
    },
    "setOf": {
      "selector": "0x318f52a6",
      "source": "function setOf(uint64 epoch) view returns (address[] operators, uint64[] powers)",
      "mutability": "view",
      "inputs": [
        ["epoch", "uint64"]
      ],
      "outputs": [
        [
          "operators",
          {
            "list": "address"
          }
        ],
        [
          "powers",
          {
            "list": "uint64"
          }
        ]
      ]
    },
    "totals": {
      "selector": "0xc038a38e",
      "source": "function totals() view returns (uint256 bonded, uint256 unbonding, uint256 rewards, uint256 minted, uint256 burnt)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        ["bonded", "uint256"],
        ["unbonding", "uint256"],
        ["rewards", "uint256"],
        ["minted", "uint256"],
        ["burnt", "uint256"]
      ]
    },
    "unbondings": {
      "selector": "0xabbb247f",
      "source": "function unbondings(address delegator) view returns ((address,uint256,uint256,uint64,uint64)[] entries)",
      "mutability": "view",
      "inputs": [
        ["delegator", "address"]
      ],
      "outputs": [
        [
          "entries",
          {
            "list": {
              "tuple": [
                ["validator", "address"],
                ["amount", "uint256"],
                ["penalty", "uint256"],
                ["epoch", "uint64"],
                ["matures", "uint64"]
              ]
            }
          }
        ]
      ]
    },
    "undelegate": {
      "selector": "0x4d99dd16",
      "source": "function undelegate(address validator, uint256 amount)",
      "mutability": "nonpayable",
      "inputs": [
        ["validator", "address"],
        ["amount", "uint256"]
      ],
      "outputs": []
    },
    "validator": {
      "selector": "0x223b3b7a",
      "source": "function validator(address operator) view returns ((address,bytes,bytes,bytes32,string,uint16,uint256,uint256,uint256,uint256,uint64,bool,bool,bool,bool) info)",
      "mutability": "view",
      "inputs": [
        ["operator", "address"]
      ],
      "outputs": [
        [
          "info",
          {
            "tuple": [
              ["operator", "address"],
              ["blsKey", "bytes"],
              ["nextBlsKey", "bytes"],
              ["peerIdDigest", "bytes32"],
              ["moniker", "string"],
              ["commissionBps", "uint16"],
              ["stake", "uint256"],
              ["selfBond", "uint256"],
              ["shares", "uint256"],
              ["commission", "uint256"],
              ["power", "uint64"],
              ["ready", "bool"],
              ["jailed", "bool"],
              ["tombstoned", "bool"],
              ["exited", "bool"]
            ]
          }
        ]
      ]
    },
    "validatorCount": {
      "selector": "0x0f43a677",
      "source": "function validatorCount() view returns (uint256 count)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        ["count", "uint256"]
      ]
    },
    "validators": {
      "selector": "0xdcf2793a",
      "source": "function validators(uint256 from, uint256 count) view returns ((address,bytes,bytes,bytes32,string,uint16,uint256,uint256,uint256,uint256,uint64,bool,bool,bool,bool)[] page)",
      "mutability": "view",
      "inputs": [
        ["from", "uint256"],
        ["count", "uint256"]
      ],
      "outputs": [
        [
          "page",
          {
            "list": {
              "tuple": [
                ["operator", "address"],
                ["blsKey", "bytes"],
                ["nextBlsKey", "bytes"],
                ["peerIdDigest", "bytes32"],
                ["moniker", "string"],
                ["commissionBps", "uint16"],
                ["stake", "uint256"],
                ["selfBond", "uint256"],
                ["shares", "uint256"],
                ["commission", "uint256"],
                ["power", "uint64"],
                ["ready", "bool"],
                ["jailed", "bool"],
                ["tombstoned", "bool"],
                ["exited", "bool"]
              ]
            }
          }
        ]
      ]
    },
    "withdrawUnbonded": {
      "selector": "0x6e373bef",
      "source": "function withdrawUnbonded() returns (uint256 amount)",
      "mutability": "nonpayable",
      "inputs": [],
      "outputs": [
        ["amount", "uint256"]
      ]
    }
  },
  "events": {
    "Delegated": {
      "topic": "0x24d7bda8602b916d64417f0dbfe2e2e88ec9b1157bd9f596dfdb91ba26624e04",
      "source": "event Delegated(address indexed delegator, address indexed validator, uint256 amount, uint256 shares)",
      "indexed": [
        ["delegator", "address"],
        ["validator", "address"]
      ],
      "plain": [
        ["amount", "uint256"],
        ["shares", "uint256"]
      ]
    },
    "KeyRotationBegun": {
      "topic": "0xe0f2a693a4d7db8dad64a33f7577a0871260e74451a0e5f1467c77c075cc1afe",
      "source": "event KeyRotationBegun(address indexed operator, bytes nextBlsKey)",
      "indexed": [
        ["operator", "address"]
      ],
      "plain": [
        ["nextBlsKey", "bytes"]
      ]
    },
    "Redelegated": {
      "topic": "0xd03526476263cbc7ca84361b585e93af24798fe2fabb792143bd7b10d076e024",
      "source": "event Redelegated(address indexed delegator, address indexed from, address indexed to, uint256 amount, uint64 matures)",
      "indexed": [
        ["delegator", "address"],
        ["from", "address"],
        ["to", "address"]
      ],
      "plain": [
        ["amount", "uint256"],
        ["matures", "uint64"]
      ]
    },
    "RedelegationSlashed": {
      "topic": "0x0504704612edecceefbc4884f66107d252906204c25076700dfb4a5cd83e6b70",
      "source": "event RedelegationSlashed(address indexed delegator, address indexed from, address indexed validator, uint256 amount)",
      "indexed": [
        ["delegator", "address"],
        ["from", "address"],
        ["validator", "address"]
      ],
      "plain": [
        ["amount", "uint256"]
      ]
    },
    "RewardsClaimed": {
      "topic": "0x9310ccfcb8de723f578a9e4282ea9f521f05ae40dc08f3068dfad528a65ee3c7",
      "source": "event RewardsClaimed(address indexed delegator, address indexed validator, uint256 amount)",
      "indexed": [
        ["delegator", "address"],
        ["validator", "address"]
      ],
      "plain": [
        ["amount", "uint256"]
      ]
    },
    "RewardsShared": {
      "topic": "0x802602f0804478c1976102a97d10bc194a303e0c9695d8a25c53b0686c9913e2",
      "source": "event RewardsShared(uint64 indexed epoch, uint256 amount, uint256 carried)",
      "indexed": [
        ["epoch", "uint64"]
      ],
      "plain": [
        ["amount", "uint256"],
        ["carried", "uint256"]
      ]
    },
    "SetElected": {
      "topic": "0xa0152d690bd00ab7eea985b226acecad695d32b69e09a32c42520fa333043860",
      "source": "event SetElected(uint64 indexed epoch, uint256 validators, uint256 power)",
      "indexed": [
        ["epoch", "uint64"]
      ],
      "plain": [
        ["validators", "uint256"],
        ["power", "uint256"]
      ]
    },
    "StakeSlashed": {
      "topic": "0x83f5ea8bea7627d95274e94dd7e9e3d7e82cb55feab513ed49e325232dcc61e0",
      "source": "event StakeSlashed(address indexed validator, uint256 amount)",
      "indexed": [
        ["validator", "address"]
      ],
      "plain": [
        ["amount", "uint256"]
      ]
    },
    "Undelegated": {
      "topic": "0xa410e32157a44414a502bb47d775234de1aa7da123f5adfe426898f1601883fd",
      "source": "event Undelegated(address indexed delegator, address indexed validator, uint256 amount, uint64 matures)",
      "indexed": [
        ["delegator", "address"],
        ["validator", "address"]
      ],
      "plain": [
        ["amount", "uint256"],
        ["matures", "uint64"]
      ]
    },
    "ValidatorCreated": {
      "topic": "0x3fe56b47de1737922c192074865519e8debc940c7df0108ee04e29383e378fe0",
      "source": "event ValidatorCreated(address indexed operator, bytes blsKey, bytes32 peerIdDigest, uint16 commissionBps, string moniker)",
      "indexed": [
        ["operator", "address"]
      ],
      "plain": [
        ["blsKey", "bytes"],
        ["peerIdDigest", "bytes32"],
        ["commissionBps", "uint16"],
        ["moniker", "string"]
      ]
    },
    "ValidatorEdited": {
      "topic": "0xefbb9bbb5ef9806cd5b9a129a4bc7d43d6eac716592eca4f2c08350afcd6d191",
      "source": "event ValidatorEdited(address indexed operator, bytes32 peerIdDigest, uint16 commissionBps, string moniker)",
      "indexed": [
        ["operator", "address"]
      ],
      "plain": [
        ["peerIdDigest", "bytes32"],
        ["commissionBps", "uint16"],
        ["moniker", "string"]
      ]
    },
    "ValidatorExited": {
      "topic": "0x05956ba8f9bd4bcb79fc3301e702e6bd74e3df03d048ed441fa2420dd6ffa8be",
      "source": "event ValidatorExited(address indexed operator)",
      "indexed": [
        ["operator", "address"]
      ],
      "plain": []
    },
    "ValidatorJailed": {
      "topic": "0x4905ac32602da3fb8b4b7b00c285e5fc4c6c2308cc908b4a1e4e9625a29c90a3",
      "source": "event ValidatorJailed(address indexed operator)",
      "indexed": [
        ["operator", "address"]
      ],
      "plain": []
    },
    "ValidatorJoined": {
      "topic": "0x199ca97f10406ec6f9bdeb8009d684c6c846c911d40b3927496f81975df29f05",
      "source": "event ValidatorJoined(uint64 indexed epoch, address indexed operator, uint64 power)",
      "indexed": [
        ["epoch", "uint64"],
        ["operator", "address"]
      ],
      "plain": [
        ["power", "uint64"]
      ]
    },
    "ValidatorLeft": {
      "topic": "0xdf1848d933e76d408feff3fa38bcef20dbbc8472679ac09845b6bfd1e9fdce76",
      "source": "event ValidatorLeft(uint64 indexed epoch, address indexed operator)",
      "indexed": [
        ["epoch", "uint64"],
        ["operator", "address"]
      ],
      "plain": []
    },
    "ValidatorReady": {
      "topic": "0xae4408f685973485dbf377a07b95290074ba6abfe3201e944a5473345a3e5b05",
      "source": "event ValidatorReady(address indexed operator, bytes blsKey)",
      "indexed": [
        ["operator", "address"]
      ],
      "plain": [
        ["blsKey", "bytes"]
      ]
    },
    "ValidatorReleased": {
      "topic": "0xc9dcb40bf40664242c6b2bdf9176549e6365199ec1dd06e1bea5762c4eb64c2e",
      "source": "event ValidatorReleased(address indexed operator)",
      "indexed": [
        ["operator", "address"]
      ],
      "plain": []
    },
    "ValidatorTombstoned": {
      "topic": "0xade99308159c0960bec6becd625670e23fc0568dad66a6efd2462f218e6839c6",
      "source": "event ValidatorTombstoned(address indexed operator, uint64 offenceEpoch)",
      "indexed": [
        ["operator", "address"]
      ],
      "plain": [
        ["offenceEpoch", "uint64"]
      ]
    },
    "Withdrawn": {
      "topic": "0x91fb9d98b786c57d74c099ccd2beca1739e9f6a81fb49001ca465c4b7591bbe2",
      "source": "event Withdrawn(address indexed delegator, address indexed validator, uint256 amount, uint256 slashed)",
      "indexed": [
        ["delegator", "address"],
        ["validator", "address"]
      ],
      "plain": [
        ["amount", "uint256"],
        ["slashed", "uint256"]
      ]
    }
  },
  "errors": {
    "AlreadyReady": {
      "selector": "0x59985835",
      "source": "error AlreadyReady(address operator)",
      "inputs": [
        ["operator", "address"]
      ]
    },
    "AlreadyValidator": {
      "selector": "0x59615ad3",
      "source": "error AlreadyValidator(address operator)",
      "inputs": [
        ["operator", "address"]
      ]
    },
    "AttestationBadSignature": {
      "selector": "0xde5d7b2a",
      "source": "error AttestationBadSignature()",
      "inputs": []
    },
    "AttestationTooOld": {
      "selector": "0x08f5fd96",
      "source": "error AttestationTooOld(uint64 height, uint64 oldest)",
      "inputs": [
        ["height", "uint64"],
        ["oldest", "uint64"]
      ]
    },
    "AttestationWrongBlock": {
      "selector": "0xfea8eb55",
      "source": "error AttestationWrongBlock(uint64 height, bytes32 given)",
      "inputs": [
        ["height", "uint64"],
        ["given", "bytes32"]
      ]
    },
    "BadKey": {
      "selector": "0x59e71efc",
      "source": "error BadKey(string reason)",
      "inputs": [
        ["reason", "string"]
      ]
    },
    "BadProofOfPossession": {
      "selector": "0x03f280b2",
      "source": "error BadProofOfPossession()",
      "inputs": []
    },
    "BelowMinimum": {
      "selector": "0xbd49034f",
      "source": "error BelowMinimum(uint256 given, uint256 minimum)",
      "inputs": [
        ["given", "uint256"],
        ["minimum", "uint256"]
      ]
    },
    "CommissionChangedAlready": {
      "selector": "0xdc0e83b3",
      "source": "error CommissionChangedAlready(uint64 epoch)",
      "inputs": [
        ["epoch", "uint64"]
      ]
    },
    "CommissionStep": {
      "selector": "0x3692d4cb",
      "source": "error CommissionStep(uint256 given, uint256 present, uint256 step)",
      "inputs": [
        ["given", "uint256"],
        ["present", "uint256"],
        ["step", "uint256"]
      ]
    },
    "CommissionTooHigh": {
      "selector": "0x2cdfe219",
      "source": "error CommissionTooHigh(uint256 given, uint256 maximum)",
      "inputs": [
        ["given", "uint256"],
        ["maximum", "uint256"]
      ]
    },
    "EpochUnknown": {
      "selector": "0x467583c5",
      "source": "error EpochUnknown(uint64 epoch)",
      "inputs": [
        ["epoch", "uint64"]
      ]
    },
    "Exited": {
      "selector": "0xaa5cfc97",
      "source": "error Exited(address operator)",
      "inputs": [
        ["operator", "address"]
      ]
    },
    "InsufficientBond": {
      "selector": "0x44d4caf7",
      "source": "error InsufficientBond(uint256 given, uint256 bonded)",
      "inputs": [
        ["given", "uint256"],
        ["bonded", "uint256"]
      ]
    },
    "Jailed": {
      "selector": "0x519ec2af",
      "source": "error Jailed(address operator)",
      "inputs": [
        ["operator", "address"]
      ]
    },
    "KeyUsed": {
      "selector": "0xb236ca52",
      "source": "error KeyUsed(bytes blsKey)",
      "inputs": [
        ["blsKey", "bytes"]
      ]
    },
    "LastQuorum": {
      "selector": "0xc6f250a4",
      "source": "error LastQuorum(uint256 remaining, uint256 total)",
      "inputs": [
        ["remaining", "uint256"],
        ["total", "uint256"]
      ]
    },
    "MonikerTooLong": {
      "selector": "0x9d423b8e",
      "source": "error MonikerTooLong(uint256 given, uint256 maximum)",
      "inputs": [
        ["given", "uint256"],
        ["maximum", "uint256"]
      ]
    },
    "NoPenalty": {
      "selector": "0xc7768029",
      "source": "error NoPenalty(address delegator, address validator)",
      "inputs": [
        ["delegator", "address"],
        ["validator", "address"]
      ]
    },
    "NotPermitted": {
      "selector": "0xcd8ec838",
      "source": "error NotPermitted(address operator)",
      "inputs": [
        ["operator", "address"]
      ]
    },
    "NotValidator": {
      "selector": "0xed3db8ac",
      "source": "error NotValidator(address operator)",
      "inputs": [
        ["operator", "address"]
      ]
    },
    "NothingLeft": {
      "selector": "0xa0eb521a",
      "source": "error NothingLeft(address validator)",
      "inputs": [
        ["validator", "address"]
      ]
    },
    "NothingMatured": {
      "selector": "0x9a02e7eb",
      "source": "error NothingMatured(uint64 next)",
      "inputs": [
        ["next", "uint64"]
      ]
    },
    "NothingToClaim": {
      "selector": "0x969bf728",
      "source": "error NothingToClaim()",
      "inputs": []
    },
    "PeerUsed": {
      "selector": "0xb4a1844f",
      "source": "error PeerUsed(bytes32 peerIdDigest)",
      "inputs": [
        ["peerIdDigest", "bytes32"]
      ]
    },
    "RedelegationHop": {
      "selector": "0xc681773e",
      "source": "error RedelegationHop(address validator, uint64 matures)",
      "inputs": [
        ["validator", "address"],
        ["matures", "uint64"]
      ]
    },
    "RedelegationPending": {
      "selector": "0xa2a257c7",
      "source": "error RedelegationPending(address validator, uint64 matures)",
      "inputs": [
        ["validator", "address"],
        ["matures", "uint64"]
      ]
    },
    "SameValidator": {
      "selector": "0xe4aa9e6a",
      "source": "error SameValidator(address validator)",
      "inputs": [
        ["validator", "address"]
      ]
    },
    "StakeTooHigh": {
      "selector": "0x3565e92f",
      "source": "error StakeTooHigh(address validator, uint256 maximum)",
      "inputs": [
        ["validator", "address"],
        ["maximum", "uint256"]
      ]
    },
    "Tombstoned": {
      "selector": "0xa300d73e",
      "source": "error Tombstoned(address operator)",
      "inputs": [
        ["operator", "address"]
      ]
    },
    "TooManyUnbondings": {
      "selector": "0xc355064b",
      "source": "error TooManyUnbondings(address validator, uint256 maximum)",
      "inputs": [
        ["validator", "address"],
        ["maximum", "uint256"]
      ]
    },
    "TooManyValidators": {
      "selector": "0x628fb2b9",
      "source": "error TooManyValidators(uint256 maximum)",
      "inputs": [
        ["maximum", "uint256"]
      ]
    },
    "ZeroAmount": {
      "selector": "0x1f2a2005",
      "source": "error ZeroAmount()",
      "inputs": []
    }
  }
} as const satisfies Abi
