// Generated from IAudit.sol by `npm run gen`. Do not edit.
import type { Abi } from '../kit/abi.ts'

export const abi = {
  "functions": {
    "audit": {
      "selector": "0x7f76e863",
      "source": "function audit(bytes32 subject, bytes32 kind, bytes32 contentDigest) returns (uint64 index, bytes32 newHead)",
      "mutability": "nonpayable",
      "inputs": [
        ["subject", "bytes32"],
        ["kind", "bytes32"],
        ["contentDigest", "bytes32"]
      ],
      "outputs": [
        ["index", "uint64"],
        ["newHead", "bytes32"]
      ]
    },
    "count": {
      "selector": "0x7937354c",
      "source": "function count(bytes32 subject) view returns (uint64 entries)",
      "mutability": "view",
      "inputs": [
        ["subject", "bytes32"]
      ],
      "outputs": [
        ["entries", "uint64"]
      ]
    },
    "entryAt": {
      "selector": "0xb12ce491",
      "source": "function entryAt(bytes32 subject, uint64 index) view returns ((bytes32,bytes32,address,uint40) entry)",
      "mutability": "view",
      "inputs": [
        ["subject", "bytes32"],
        ["index", "uint64"]
      ],
      "outputs": [
        [
          "entry",
          {
            "tuple": [
              ["kind", "bytes32"],
              ["contentDigest", "bytes32"],
              ["author", "address"],
              ["recordedAt", "uint40"]
            ]
          }
        ]
      ]
    },
    "handOver": {
      "selector": "0xaf263423",
      "source": "function handOver(bytes32 id, address to)",
      "mutability": "nonpayable",
      "inputs": [
        ["id", "bytes32"],
        ["to", "address"]
      ],
      "outputs": []
    },
    "head": {
      "selector": "0xf339e3b2",
      "source": "function head(bytes32 subject) view returns (bytes32 newest)",
      "mutability": "view",
      "inputs": [
        ["subject", "bytes32"]
      ],
      "outputs": [
        ["newest", "bytes32"]
      ]
    },
    "history": {
      "selector": "0x661e5365",
      "source": "function history(bytes32 vmId, uint32 from, uint256 n) view returns ((uint32,bytes32,uint24)[] states)",
      "mutability": "view",
      "inputs": [
        ["vmId", "bytes32"],
        ["from", "uint32"],
        ["n", "uint256"]
      ],
      "outputs": [
        [
          "states",
          {
            "list": {
              "tuple": [
                ["sequence", "uint32"],
                ["contentDigest", "bytes32"],
                ["codec", "uint24"]
              ]
            }
          }
        ]
      ]
    },
    "mayWrite": {
      "selector": "0x764b0b99",
      "source": "function mayWrite(bytes32 id, address account) view returns (bool allowed)",
      "mutability": "view",
      "inputs": [
        ["id", "bytes32"],
        ["account", "address"]
      ],
      "outputs": [
        ["allowed", "bool"]
      ]
    },
    "ownerOf": {
      "selector": "0x7dd56411",
      "source": "function ownerOf(bytes32 id) view returns (address owner)",
      "mutability": "view",
      "inputs": [
        ["id", "bytes32"]
      ],
      "outputs": [
        ["owner", "address"]
      ]
    },
    "recordVmState": {
      "selector": "0xa69cde20",
      "source": "function recordVmState(bytes32 vmId, bytes32 contentDigest, uint24 codec, uint32 sequence)",
      "mutability": "nonpayable",
      "inputs": [
        ["vmId", "bytes32"],
        ["contentDigest", "bytes32"],
        ["codec", "uint24"],
        ["sequence", "uint32"]
      ],
      "outputs": []
    },
    "recordVmStates": {
      "selector": "0xc02a42e1",
      "source": "function recordVmStates((bytes32,bytes32,uint24,uint32)[] records)",
      "mutability": "nonpayable",
      "inputs": [
        [
          "records",
          {
            "list": {
              "tuple": [
                ["vmId", "bytes32"],
                ["contentDigest", "bytes32"],
                ["codec", "uint24"],
                ["sequence", "uint32"]
              ]
            }
          }
        ]
      ],
      "outputs": []
    },
    "setWriter": {
      "selector": "0x2c6f48bf",
      "source": "function setWriter(bytes32 id, address writer, bool allowed)",
      "mutability": "nonpayable",
      "inputs": [
        ["id", "bytes32"],
        ["writer", "address"],
        ["allowed", "bool"]
      ],
      "outputs": []
    },
    "setWriterForAll": {
      "selector": "0x8034c370",
      "source": "function setWriterForAll(address writer, bool allowed)",
      "mutability": "nonpayable",
      "inputs": [
        ["writer", "address"],
        ["allowed", "bool"]
      ],
      "outputs": []
    },
    "stateOf": {
      "selector": "0x64482ac4",
      "source": "function stateOf(bytes32 vmId) view returns ((address,bytes32,uint24,uint32,uint40) state)",
      "mutability": "view",
      "inputs": [
        ["vmId", "bytes32"]
      ],
      "outputs": [
        [
          "state",
          {
            "tuple": [
              ["owner", "address"],
              ["contentDigest", "bytes32"],
              ["codec", "uint24"],
              ["sequence", "uint32"],
              ["recordedAt", "uint40"]
            ]
          }
        ]
      ]
    },
    "verify": {
      "selector": "0x4e8fee00",
      "source": "function verify(bytes32 vmId, bytes32 contentDigest) view returns (bool isCurrent)",
      "mutability": "view",
      "inputs": [
        ["vmId", "bytes32"],
        ["contentDigest", "bytes32"]
      ],
      "outputs": [
        ["isCurrent", "bool"]
      ]
    }
  },
  "events": {
    "Audited": {
      "topic": "0xa75abaf02e0201da9e643aa2ad9fa51aeef13f7abf773a407e2dd5a89c6bf709",
      "source": "event Audited(bytes32 indexed subject, bytes32 indexed kind, address indexed author, uint64 index, bytes32 contentDigest, uint40 recordedAt, bytes32 head)",
      "indexed": [
        ["subject", "bytes32"],
        ["kind", "bytes32"],
        ["author", "address"]
      ],
      "plain": [
        ["index", "uint64"],
        ["contentDigest", "bytes32"],
        ["recordedAt", "uint40"],
        ["head", "bytes32"]
      ]
    },
    "OwnerChanged": {
      "topic": "0x06e9c07310f63759634ddbb7257dbb19ca404f90bd6bdef1d3386fab033cebce",
      "source": "event OwnerChanged(bytes32 indexed id, address indexed previous, address indexed current)",
      "indexed": [
        ["id", "bytes32"],
        ["previous", "address"],
        ["current", "address"]
      ],
      "plain": []
    },
    "VmStateRecorded": {
      "topic": "0x43757ca21786d32fd55077cdf0dd1a7fcf1ba1a02e3847a144d8c30b37b30ca3",
      "source": "event VmStateRecorded(bytes32 indexed vmId, uint32 indexed sequence, address indexed writer, bytes32 contentDigest, uint24 codec)",
      "indexed": [
        ["vmId", "bytes32"],
        ["sequence", "uint32"],
        ["writer", "address"]
      ],
      "plain": [
        ["contentDigest", "bytes32"],
        ["codec", "uint24"]
      ]
    },
    "WriterForAllSet": {
      "topic": "0x9a84c22f75b4cfac826e6ed24fadb07a0bc8e58387984e17915fe423dfe2a388",
      "source": "event WriterForAllSet(address indexed owner, address indexed writer, bool allowed)",
      "indexed": [
        ["owner", "address"],
        ["writer", "address"]
      ],
      "plain": [
        ["allowed", "bool"]
      ]
    },
    "WriterSet": {
      "topic": "0xe7f75bb3217b49ad00b4f990f39a62d9f521c4256f4f11c6f4ed31a4db2ea809",
      "source": "event WriterSet(bytes32 indexed id, address indexed owner, address indexed writer, bool allowed)",
      "indexed": [
        ["id", "bytes32"],
        ["owner", "address"],
        ["writer", "address"]
      ],
      "plain": [
        ["allowed", "bool"]
      ]
    }
  },
  "errors": {
    "BadCount": {
      "selector": "0x61298561",
      "source": "error BadCount(uint256 given, uint256 maximum)",
      "inputs": [
        ["given", "uint256"],
        ["maximum", "uint256"]
      ]
    },
    "NoAccount": {
      "selector": "0xce418820",
      "source": "error NoAccount()",
      "inputs": []
    },
    "NoDigest": {
      "selector": "0x02796c67",
      "source": "error NoDigest(bytes32 id)",
      "inputs": [
        ["id", "bytes32"]
      ]
    },
    "NoSuchEntry": {
      "selector": "0x65301b9d",
      "source": "error NoSuchEntry(bytes32 subject, uint64 index)",
      "inputs": [
        ["subject", "bytes32"],
        ["index", "uint64"]
      ]
    },
    "NoSuchVm": {
      "selector": "0xfee13ce1",
      "source": "error NoSuchVm(bytes32 vmId)",
      "inputs": [
        ["vmId", "bytes32"]
      ]
    },
    "NotOwner": {
      "selector": "0x0e25346d",
      "source": "error NotOwner(bytes32 id, address caller)",
      "inputs": [
        ["id", "bytes32"],
        ["caller", "address"]
      ]
    },
    "NotWriter": {
      "selector": "0x45245f6f",
      "source": "error NotWriter(bytes32 id, address caller)",
      "inputs": [
        ["id", "bytes32"],
        ["caller", "address"]
      ]
    },
    "ReservedId": {
      "selector": "0x0161b6a4",
      "source": "error ReservedId(bytes32 id, address owner)",
      "inputs": [
        ["id", "bytes32"],
        ["owner", "address"]
      ]
    },
    "WrongSequence": {
      "selector": "0x64e5ed97",
      "source": "error WrongSequence(bytes32 vmId, uint32 given, uint32 expected)",
      "inputs": [
        ["vmId", "bytes32"],
        ["given", "uint32"],
        ["expected", "uint32"]
      ]
    }
  }
} as const satisfies Abi
