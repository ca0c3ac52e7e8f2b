// Generated from INovaVault.sol by `npm run gen`. Do not edit.
import type { Abi } from '../../chain/native/kit/abi.ts'

export const abi = {
  "functions": {
    "createWrapped": {
      "selector": "0xf9da2f97",
      "source": "function createWrapped(bytes32 remote, string name, string symbol, uint8 decimals) returns (address token)",
      "mutability": "nonpayable",
      "inputs": [
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
      "selector": "0xd70252f6",
      "source": "function deliver((uint64,uint64,uint64,uint64,bytes32,bytes,bytes32,uint256,bytes32,bytes) message, (uint64,bytes32,bytes[],bytes[]) proof)",
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
        [
          "proof",
          {
            "tuple": [
              ["seq", "uint64"],
              ["previousLink", "bytes32"],
              [
                "account",
                {
                  "list": "bytes"
                }
              ],
              [
                "slot",
                {
                  "list": "bytes"
                }
              ]
            ]
          }
        ]
      ],
      "outputs": []
    },
    "isSettled": {
      "selector": "0x9efa940b",
      "source": "function isSettled(uint64 sequence) view returns (bool settled)",
      "mutability": "view",
      "inputs": [
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
    "pause": {
      "selector": "0x540df763",
      "source": "function pause(uint64 duration, string reason)",
      "mutability": "nonpayable",
      "inputs": [
        ["duration", "uint64"],
        ["reason", "string"]
      ],
      "outputs": []
    },
    "pausedUntil": {
      "selector": "0xda748b10",
      "source": "function pausedUntil() view returns (uint64 second)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        ["second", "uint64"]
      ]
    },
    "refund": {
      "selector": "0x400259c8",
      "source": "function refund((uint64,uint64,uint64,uint64,bytes32,bytes,bytes32,uint256,bytes32,bytes) original, (uint64,uint64,uint64,uint64,bytes32,bytes,bytes32,uint256,bytes32,bytes) notice, (uint64,bytes32,bytes[],bytes[]) proof)",
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
        [
          "proof",
          {
            "tuple": [
              ["seq", "uint64"],
              ["previousLink", "bytes32"],
              [
                "account",
                {
                  "list": "bytes"
                }
              ],
              [
                "slot",
                {
                  "list": "bytes"
                }
              ]
            ]
          }
        ]
      ],
      "outputs": []
    },
    "refuse": {
      "selector": "0xd3077a30",
      "source": "function refuse((uint64,uint64,uint64,uint64,bytes32,bytes,bytes32,uint256,bytes32,bytes) message, (uint64,bytes32,bytes[],bytes[]) proof) returns (bytes32 notice)",
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
        [
          "proof",
          {
            "tuple": [
              ["seq", "uint64"],
              ["previousLink", "bytes32"],
              [
                "account",
                {
                  "list": "bytes"
                }
              ],
              [
                "slot",
                {
                  "list": "bytes"
                }
              ]
            ]
          }
        ]
      ],
      "outputs": [
        ["notice", "bytes32"]
      ]
    },
    "routeOf": {
      "selector": "0x988c8dcb",
      "source": "function routeOf(address token) view returns ((bytes32,bool,bool,bool,uint128,uint128,uint128,uint256) found)",
      "mutability": "view",
      "inputs": [
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
    "sent": {
      "selector": "0xc2bfccc0",
      "source": "function sent() view returns (uint64 count)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        ["count", "uint64"]
      ]
    },
    "setGuardian": {
      "selector": "0x8a0dac4a",
      "source": "function setGuardian(address guardian)",
      "mutability": "nonpayable",
      "inputs": [
        ["guardian", "address"]
      ],
      "outputs": []
    },
    "setRoute": {
      "selector": "0x4e4aed3a",
      "source": "function setRoute(address token, bytes32 remote, uint128 cap, uint128 limit, bool open)",
      "mutability": "nonpayable",
      "inputs": [
        ["token", "address"],
        ["remote", "bytes32"],
        ["cap", "uint128"],
        ["limit", "uint128"],
        ["open", "bool"]
      ],
      "outputs": []
    },
    "tokenOf": {
      "selector": "0xbae667bc",
      "source": "function tokenOf(bytes32 remote) view returns (address token, bool known)",
      "mutability": "view",
      "inputs": [
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
    },
    "unpause": {
      "selector": "0x3f4ba83a",
      "source": "function unpause()",
      "mutability": "nonpayable",
      "inputs": [],
      "outputs": []
    }
  },
  "events": {
    "GuardianSet": {
      "topic": "0xe6c09ffe4572dc9ceaa5ddde4ae41befa655d6fdfe8052077af0970f700e942e",
      "source": "event GuardianSet(address guardian)",
      "indexed": [],
      "plain": [
        ["guardian", "address"]
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
    "PausedUntil": {
      "topic": "0xf0a748f251908ff009adb00362a48a82742c0c25627e7838733fe206bafb1b44",
      "source": "event PausedUntil(uint64 second, string reason)",
      "indexed": [],
      "plain": [
        ["second", "uint64"],
        ["reason", "string"]
      ]
    },
    "RouteSet": {
      "topic": "0x02e4ca224d743a8f8357293ea9d1c28cbb25169471084eb2fff348c857908f36",
      "source": "event RouteSet(address indexed token, bytes32 indexed remote, uint128 cap, uint128 limit, bool open)",
      "indexed": [
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
      "topic": "0xe1d3fda00bb22eed2aef7e9c55906b0ecf185e887f38dc110669d91b6df5fa64",
      "source": "event WrappedCreated(bytes32 indexed remote, address indexed token, string name, string symbol, uint8 decimals)",
      "indexed": [
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
      "selector": "0xd8b8226a",
      "source": "error AlreadySettled(uint64 sequence)",
      "inputs": [
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
    "BadTerms": {
      "selector": "0x8dc59921",
      "source": "error BadTerms()",
      "inputs": []
    },
    "BadToken": {
      "selector": "0x732d20af",
      "source": "error BadToken(address token)",
      "inputs": [
        ["token", "address"]
      ]
    },
    "BeforeDeadline": {
      "selector": "0xcf02e88e",
      "source": "error BeforeDeadline(bytes32 id, uint64 deadline)",
      "inputs": [
        ["id", "bytes32"],
        ["deadline", "uint64"]
      ]
    },
    "CapExceeded": {
      "selector": "0xc2373395",
      "source": "error CapExceeded(address token, uint256 outstanding, uint256 cap)",
      "inputs": [
        ["token", "address"],
        ["outstanding", "uint256"],
        ["cap", "uint256"]
      ]
    },
    "IsPaused": {
      "selector": "0xd75a7fb8",
      "source": "error IsPaused(uint64 untilSecond)",
      "inputs": [
        ["untilSecond", "uint64"]
      ]
    },
    "LimitExceeded": {
      "selector": "0x4db9e254",
      "source": "error LimitExceeded(address token, uint256 amount, uint256 available)",
      "inputs": [
        ["token", "address"],
        ["amount", "uint256"],
        ["available", "uint256"]
      ]
    },
    "NotBacked": {
      "selector": "0xcd4e7283",
      "source": "error NotBacked(address token, uint256 amount, uint256 outstanding)",
      "inputs": [
        ["token", "address"],
        ["amount", "uint256"],
        ["outstanding", "uint256"]
      ]
    },
    "NotGuardian": {
      "selector": "0xa252c151",
      "source": "error NotGuardian(address caller)",
      "inputs": [
        ["caller", "address"]
      ]
    },
    "NotProven": {
      "selector": "0xb0ebfdd5",
      "source": "error NotProven(bytes32 id)",
      "inputs": [
        ["id", "bytes32"]
      ]
    },
    "NothingToSend": {
      "selector": "0x0a1d7f9c",
      "source": "error NothingToSend()",
      "inputs": []
    },
    "PastDeadline": {
      "selector": "0xcc62fb75",
      "source": "error PastDeadline(bytes32 id, uint64 deadline)",
      "inputs": [
        ["id", "bytes32"],
        ["deadline", "uint64"]
      ]
    },
    "PauseRefused": {
      "selector": "0xd401f4a0",
      "source": "error PauseRefused()",
      "inputs": []
    },
    "RemoteFixed": {
      "selector": "0x95586709",
      "source": "error RemoteFixed(address token, bytes32 remote)",
      "inputs": [
        ["token", "address"],
        ["remote", "bytes32"]
      ]
    },
    "RouteClosed": {
      "selector": "0x1408c969",
      "source": "error RouteClosed(address token)",
      "inputs": [
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
    "TransferFailed": {
      "selector": "0x39f1c8d9",
      "source": "error TransferFailed(address to)",
      "inputs": [
        ["to", "address"]
      ]
    },
    "UnknownRoute": {
      "selector": "0xda684a07",
      "source": "error UnknownRoute(bytes32 token)",
      "inputs": [
        ["token", "bytes32"]
      ]
    },
    "WrongChain": {
      "selector": "0x388b13d8",
      "source": "error WrongChain(uint64 given, uint64 expected)",
      "inputs": [
        ["given", "uint64"],
        ["expected", "uint64"]
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
    "WrongPayout": {
      "selector": "0xe481d774",
      "source": "error WrongPayout(address token, uint256 paid, uint256 expected)",
      "inputs": [
        ["token", "address"],
        ["paid", "uint256"],
        ["expected", "uint256"]
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
