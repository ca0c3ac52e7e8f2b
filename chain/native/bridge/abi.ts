// Generated from IBridge.sol by `npm run gen`. Do not edit.
import type { Abi } from '../kit/abi.ts'

export const abi = {
  "functions": {
    "chainOf": {
      "selector": "0x0ebb6aaa",
      "source": "function chainOf(uint64 chain) view returns ((address,uint64,uint64) found)",
      "mutability": "view",
      "inputs": [
        ["chain", "uint64"]
      ],
      "outputs": [
        [
          "found",
          {
            "tuple": [
              ["vault", "address"],
              ["sent", "uint64"],
              ["settled", "uint64"]
            ]
          }
        ]
      ]
    },
    "chains": {
      "selector": "0x58a8b85f",
      "source": "function chains() view returns (uint64[] ids)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        [
          "ids",
          {
            "list": "uint64"
          }
        ]
      ]
    },
    "createWrapped": {
      "selector": "0xfff0cb28",
      "source": "function createWrapped(uint64 chain, bytes32 remote, string name, string symbol, uint8 decimals) returns (address token)",
      "mutability": "nonpayable",
      "inputs": [
        ["chain", "uint64"],
        ["remote", "bytes32"],
        ["name", "string"],
        ["symbol", "string"],
        ["decimals", "uint8"]
      ],
      "outputs": [
        ["token", "address"]
      ]
    },
    "deliver": {
      "selector": "0x2d23cc1a",
      "source": "function deliver((uint64,uint64,uint64,uint64,bytes32,bytes,bytes32,uint256,bytes32,bytes) message, bytes proof)",
      "mutability": "nonpayable",
      "inputs": [
        [
          "message",
          {
            "tuple": [
              ["sourceChain", "uint64"],
              ["targetChain", "uint64"],
              ["sequence", "uint64"],
              ["deadline", "uint64"],
              ["sender", "bytes32"],
              ["recipient", "bytes"],
              ["token", "bytes32"],
              ["amount", "uint256"],
              ["refundOf", "bytes32"],
              ["data", "bytes"]
            ]
          }
        ],
        ["proof", "bytes"]
      ],
      "outputs": []
    },
    "isSettled": {
      "selector": "0x3527fd1d",
      "source": "function isSettled(uint64 chain, uint64 sequence) view returns (bool settled)",
      "mutability": "view",
      "inputs": [
        ["chain", "uint64"],
        ["sequence", "uint64"]
      ],
      "outputs": [
        ["settled", "bool"]
      ]
    },
    "link": {
      "selector": "0xc0cb4309",
      "source": "function link(uint64 chain, uint64 sequence) view returns (bytes32 value)",
      "mutability": "view",
      "inputs": [
        ["chain", "uint64"],
        ["sequence", "uint64"]
      ],
      "outputs": [
        ["value", "bytes32"]
      ]
    },
    "messageId": {
      "selector": "0x370f0b5c",
      "source": "function messageId((uint64,uint64,uint64,uint64,bytes32,bytes,bytes32,uint256,bytes32,bytes) message) pure returns (bytes32 id)",
      "mutability": "pure",
      "inputs": [
        [
          "message",
          {
            "tuple": [
              ["sourceChain", "uint64"],
              ["targetChain", "uint64"],
              ["sequence", "uint64"],
              ["deadline", "uint64"],
              ["sender", "bytes32"],
              ["recipient", "bytes"],
              ["token", "bytes32"],
              ["amount", "uint256"],
              ["refundOf", "bytes32"],
              ["data", "bytes"]
            ]
          }
        ]
      ],
      "outputs": [
        ["id", "bytes32"]
      ]
    },
    "refund": {
      "selector": "0xfec51388",
      "source": "function refund((uint64,uint64,uint64,uint64,bytes32,bytes,bytes32,uint256,bytes32,bytes) original, (uint64,uint64,uint64,uint64,bytes32,bytes,bytes32,uint256,bytes32,bytes) notice, bytes proof)",
      "mutability": "nonpayable",
      "inputs": [
        [
          "original",
          {
            "tuple": [
              ["sourceChain", "uint64"],
              ["targetChain", "uint64"],
              ["sequence", "uint64"],
              ["deadline", "uint64"],
              ["sender", "bytes32"],
              ["recipient", "bytes"],
              ["token", "bytes32"],
              ["amount", "uint256"],
              ["refundOf", "bytes32"],
              ["data", "bytes"]
            ]
          }
        ],
        [
          "notice",
          {
            "tuple": [
              ["sourceChain", "uint64"],
              ["targetChain", "uint64"],
              ["sequence", "uint64"],
              ["deadline", "uint64"],
              ["sender", "bytes32"],
              ["recipient", "bytes"],
              ["token", "bytes32"],
              ["amount", "uint256"],
              ["refundOf", "bytes32"],
              ["data", "bytes"]
            ]
          }
        ],
        ["proof", "bytes"]
      ],
      "outputs": []
    },
    "refuse": {
      "selector": "0x47ccbcec",
      "source": "function refuse((uint64,uint64,uint64,uint64,bytes32,bytes,bytes32,uint256,bytes32,bytes) message, bytes proof) returns (bytes32 notice)",
      "mutability": "nonpayable",
      "inputs": [
        [
          "message",
          {
            "tuple": [
              ["sourceChain", "uint64"],
              ["targetChain", "uint64"],
              ["sequence", "uint64"],
              ["deadline", "uint64"],
              ["sender", "bytes32"],
              ["recipient", "bytes"],
              ["token", "bytes32"],
              ["amount", "uint256"],
              ["refundOf", "bytes32"],
              ["data", "bytes"]
            ]
          }
        ],
        ["proof", "bytes"]
      ],
      "outputs": [
        ["notice", "bytes32"]
      ]
    },
    "routeOf": {
      "selector": "0x13c0d7ff",
      "source": "function routeOf(uint64 chain, address token) view returns ((bytes32,bool,bool,bool,uint128,uint128,uint128,uint256) found)",
      "mutability": "view",
      "inputs": [
        ["chain", "uint64"],
        ["token", "address"]
      ],
      "outputs": [
        [
          "found",
          {
            "tuple": [
              ["remote", "bytes32"],
              ["known", "bool"],
              ["open", "bool"],
              ["wrapped", "bool"],
              ["cap", "uint128"],
              ["limit", "uint128"],
              ["available", "uint128"],
              ["outstanding", "uint256"]
            ]
          }
        ]
      ]
    },
    "send": {
      "selector": "0x04d151c3",
      "source": "function send(uint64 chain, bytes recipient, address token, uint256 amount, bytes data) payable returns (bytes32 id)",
      "mutability": "payable",
      "inputs": [
        ["chain", "uint64"],
        ["recipient", "bytes"],
        ["token", "address"],
        ["amount", "uint256"],
        ["data", "bytes"]
      ],
      "outputs": [
        ["id", "bytes32"]
      ]
    },
    "setChain": {
      "selector": "0x5694048c",
      "source": "function setChain(uint64 chain, address vault)",
      "mutability": "nonpayable",
      "inputs": [
        ["chain", "uint64"],
        ["vault", "address"]
      ],
      "outputs": []
    },
    "setRoute": {
      "selector": "0x91b29782",
      "source": "function setRoute(uint64 chain, address token, bytes32 remote, uint128 cap, uint128 limit, bool open)",
      "mutability": "nonpayable",
      "inputs": [
        ["chain", "uint64"],
        ["token", "address"],
        ["remote", "bytes32"],
        ["cap", "uint128"],
        ["limit", "uint128"],
        ["open", "bool"]
      ],
      "outputs": []
    },
    "tokenOf": {
      "selector": "0x52d8d582",
      "source": "function tokenOf(uint64 chain, bytes32 remote) view returns (address token, bool known)",
      "mutability": "view",
      "inputs": [
        ["chain", "uint64"],
        ["remote", "bytes32"]
      ],
      "outputs": [
        ["token", "address"],
        ["known", "bool"]
      ]
    },
    "transfer": {
      "selector": "0xcd6f4eb1",
      "source": "function transfer(bytes32 id) view returns ((uint8,uint64,uint64,uint40) found)",
      "mutability": "view",
      "inputs": [
        ["id", "bytes32"]
      ],
      "outputs": [
        [
          "found",
          {
            "tuple": [
              ["status", "uint8"],
              ["chain", "uint64"],
              ["sequence", "uint64"],
              ["changedAt", "uint40"]
            ]
          }
        ]
      ]
    }
  },
  "events": {
    "ChainSet": {
      "topic": "0x033c377e36c01bea992b0f60b74091c711a3d198e4de20300d37be3eddd65e6a",
      "source": "event ChainSet(uint64 indexed chain, address vault)",
      "indexed": [
        ["chain", "uint64"]
      ],
      "plain": [
        ["vault", "address"]
      ]
    },
    "MessageDelivered": {
      "topic": "0x40e892d975060c0e85fad18ecc4545e17455daa65479dadd41ade7af81dfd2a5",
      "source": "event MessageDelivered(bytes32 indexed id, uint64 indexed chain, address indexed recipient, uint64 sequence, address token, uint256 amount, bytes data)",
      "indexed": [
        ["id", "bytes32"],
        ["chain", "uint64"],
        ["recipient", "address"]
      ],
      "plain": [
        ["sequence", "uint64"],
        ["token", "address"],
        ["amount", "uint256"],
        ["data", "bytes"]
      ]
    },
    "MessageRefunded": {
      "topic": "0x57c76ee70452f241b53d1872cfefcf5225822968fe23a219550a6407c3c8e34e",
      "source": "event MessageRefunded(bytes32 indexed id, uint64 indexed chain, address indexed sender, address token, uint256 amount)",
      "indexed": [
        ["id", "bytes32"],
        ["chain", "uint64"],
        ["sender", "address"]
      ],
      "plain": [
        ["token", "address"],
        ["amount", "uint256"]
      ]
    },
    "MessageRefused": {
      "topic": "0x550e42be4e8f1defd5ed7bc3ddae418fb375b77547af54751df47600b4d228ba",
      "source": "event MessageRefused(bytes32 indexed id, uint64 indexed chain, uint64 indexed sequence)",
      "indexed": [
        ["id", "bytes32"],
        ["chain", "uint64"],
        ["sequence", "uint64"]
      ],
      "plain": []
    },
    "MessageSent": {
      "topic": "0x69cd440e1dd49f324ffe9b52ae1cc159ee5096895469ee31ecb67bc5b9695863",
      "source": "event MessageSent(bytes32 indexed id, uint64 indexed chain, uint64 indexed sequence, (uint64,uint64,uint64,uint64,bytes32,bytes,bytes32,uint256,bytes32,bytes) message)",
      "indexed": [
        ["id", "bytes32"],
        ["chain", "uint64"],
        ["sequence", "uint64"]
      ],
      "plain": [
        [
          "message",
          {
            "tuple": [
              ["sourceChain", "uint64"],
              ["targetChain", "uint64"],
              ["sequence", "uint64"],
              ["deadline", "uint64"],
              ["sender", "bytes32"],
              ["recipient", "bytes"],
              ["token", "bytes32"],
              ["amount", "uint256"],
              ["refundOf", "bytes32"],
              ["data", "bytes"]
            ]
          }
        ]
      ]
    },
    "NoticeVoid": {
      "topic": "0x3337c322fc96c512d971b340f92b430412c978cb344a7f9a5a23cec03ad3a1d4",
      "source": "event NoticeVoid(bytes32 indexed id, uint64 indexed chain, bytes32 indexed refundOf)",
      "indexed": [
        ["id", "bytes32"],
        ["chain", "uint64"],
        ["refundOf", "bytes32"]
      ],
      "plain": []
    },
    "RouteSet": {
      "topic": "0x7d57d34a64dc18fd4c83228c24a014f017560f076b0cd90b0fab8b95d721c0ea",
      "source": "event RouteSet(uint64 indexed chain, address indexed token, bytes32 indexed remote, uint128 cap, uint128 limit, bool open)",
      "indexed": [
        ["chain", "uint64"],
        ["token", "address"],
        ["remote", "bytes32"]
      ],
      "plain": [
        ["cap", "uint128"],
        ["limit", "uint128"],
        ["open", "bool"]
      ]
    },
    "WrappedCreated": {
      "topic": "0x65a4c78e3426b4ebd096bc3bfe13133d46abf87ec21fc87fc792e775e9872f68",
      "source": "event WrappedCreated(uint64 indexed chain, bytes32 indexed remote, address indexed token, string name, string symbol, uint8 decimals)",
      "indexed": [
        ["chain", "uint64"],
        ["remote", "bytes32"],
        ["token", "address"]
      ],
      "plain": [
        ["name", "string"],
        ["symbol", "string"],
        ["decimals", "uint8"]
      ]
    }
  },
  "errors": {
    "AlreadySettled": {
      "selector": "0x3d89cf75",
      "source": "error AlreadySettled(uint64 chain, uint64 sequence)",
      "inputs": [
        ["chain", "uint64"],
        ["sequence", "uint64"]
      ]
    },
    "BadRecipient": {
      "selector": "0x06d99c45",
      "source": "error BadRecipient(bytes recipient)",
      "inputs": [
        ["recipient", "bytes"]
      ]
    },
    "BadSignature": {
      "selector": "0x5cd5d233",
      "source": "error BadSignature()",
      "inputs": []
    },
    "BadToken": {
      "selector": "0x732d20af",
      "source": "error BadToken(address token)",
      "inputs": [
        ["token", "address"]
      ]
    },
    "CapExceeded": {
      "selector": "0x0a719926",
      "source": "error CapExceeded(uint64 chain, address token, uint256 outstanding, uint256 cap)",
      "inputs": [
        ["chain", "uint64"],
        ["token", "address"],
        ["outstanding", "uint256"],
        ["cap", "uint256"]
      ]
    },
    "Empty": {
      "selector": "0x3db2a12a",
      "source": "error Empty()",
      "inputs": []
    },
    "EpochOutside": {
      "selector": "0x55413d68",
      "source": "error EpochOutside(uint64 epoch)",
      "inputs": [
        ["epoch", "uint64"]
      ]
    },
    "Expired": {
      "selector": "0x4d13561d",
      "source": "error Expired(bytes32 id, uint64 deadline)",
      "inputs": [
        ["id", "bytes32"],
        ["deadline", "uint64"]
      ]
    },
    "InsufficientBalance": {
      "selector": "0xdb42144d",
      "source": "error InsufficientBalance(address token, uint256 balance, uint256 needed)",
      "inputs": [
        ["token", "address"],
        ["balance", "uint256"],
        ["needed", "uint256"]
      ]
    },
    "LimitExceeded": {
      "selector": "0x49904a75",
      "source": "error LimitExceeded(uint64 chain, address token, uint256 amount, uint256 available)",
      "inputs": [
        ["chain", "uint64"],
        ["token", "address"],
        ["amount", "uint256"],
        ["available", "uint256"]
      ]
    },
    "NoQuorum": {
      "selector": "0xa07c49af",
      "source": "error NoQuorum(uint256 signed, uint256 total)",
      "inputs": [
        ["signed", "uint256"],
        ["total", "uint256"]
      ]
    },
    "NoWrappedLeft": {
      "selector": "0x26135967",
      "source": "error NoWrappedLeft(uint256 maximum)",
      "inputs": [
        ["maximum", "uint256"]
      ]
    },
    "NotBacked": {
      "selector": "0x0e676d64",
      "source": "error NotBacked(uint64 chain, address token, uint256 amount, uint256 outstanding)",
      "inputs": [
        ["chain", "uint64"],
        ["token", "address"],
        ["amount", "uint256"],
        ["outstanding", "uint256"]
      ]
    },
    "NotExpired": {
      "selector": "0x28e345c3",
      "source": "error NotExpired(bytes32 id, uint64 deadline)",
      "inputs": [
        ["id", "bytes32"],
        ["deadline", "uint64"]
      ]
    },
    "NotGovernance": {
      "selector": "0x988d1f03",
      "source": "error NotGovernance(address caller)",
      "inputs": [
        ["caller", "address"]
      ]
    },
    "ProofMalformed": {
      "selector": "0x6ffff279",
      "source": "error ProofMalformed(string reason)",
      "inputs": [
        ["reason", "string"]
      ]
    },
    "RemoteFixed": {
      "selector": "0x04b49093",
      "source": "error RemoteFixed(uint64 chain, address token, bytes32 remote)",
      "inputs": [
        ["chain", "uint64"],
        ["token", "address"],
        ["remote", "bytes32"]
      ]
    },
    "RouteClosed": {
      "selector": "0x24ebada1",
      "source": "error RouteClosed(uint64 chain, address token)",
      "inputs": [
        ["chain", "uint64"],
        ["token", "address"]
      ]
    },
    "TooLong": {
      "selector": "0x6d3b0993",
      "source": "error TooLong(string what, uint256 given, uint256 maximum)",
      "inputs": [
        ["what", "string"],
        ["given", "uint256"],
        ["maximum", "uint256"]
      ]
    },
    "UnknownChain": {
      "selector": "0x03026c2c",
      "source": "error UnknownChain(uint64 chain)",
      "inputs": [
        ["chain", "uint64"]
      ]
    },
    "UnknownRoute": {
      "selector": "0x6207f67d",
      "source": "error UnknownRoute(uint64 chain, bytes32 token)",
      "inputs": [
        ["chain", "uint64"],
        ["token", "bytes32"]
      ]
    },
    "VaultFixed": {
      "selector": "0xee661025",
      "source": "error VaultFixed(uint64 chain, address vault)",
      "inputs": [
        ["chain", "uint64"],
        ["vault", "address"]
      ]
    },
    "WrongKind": {
      "selector": "0x1ed609dd",
      "source": "error WrongKind(bytes32 id)",
      "inputs": [
        ["id", "bytes32"]
      ]
    },
    "WrongOriginal": {
      "selector": "0xa934a8da",
      "source": "error WrongOriginal(bytes32 id, bytes32 refundOf)",
      "inputs": [
        ["id", "bytes32"],
        ["refundOf", "bytes32"]
      ]
    },
    "WrongTarget": {
      "selector": "0x985dd633",
      "source": "error WrongTarget(uint64 targetChain)",
      "inputs": [
        ["targetChain", "uint64"]
      ]
    },
    "WrongValue": {
      "selector": "0x195a3ca1",
      "source": "error WrongValue(uint256 given, uint256 expected)",
      "inputs": [
        ["given", "uint256"],
        ["expected", "uint256"]
      ]
    }
  }
} as const satisfies Abi
