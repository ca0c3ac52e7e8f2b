// Generated from ISlashing.sol by `npm run gen`. Do not edit.
import type { Abi } from '../kit/abi.ts'

export const abi = {
  "functions": {
    "isPunished": {
      "selector": "0x4c2c3a3b",
      "source": "function isPunished(address operator, uint64 height, uint64 round) view returns (bool punished)",
      "mutability": "view",
      "inputs": [
        ["operator", "address"],
        ["height", "uint64"],
        ["round", "uint64"]
      ],
      "outputs": [
        ["punished", "bool"]
      ]
    },
    "signingInfo": {
      "selector": "0x0fc498b4",
      "source": "function signingInfo(address operator) view returns ((uint64,uint64,uint64,bool,bool) info)",
      "mutability": "view",
      "inputs": [
        ["operator", "address"]
      ],
      "outputs": [
        [
          "info",
          {
            "tuple": [
              ["missed", "uint64"],
              ["since", "uint64"],
              ["jailedUntil", "uint64"],
              ["jailed", "bool"],
              ["tombstoned", "bool"]
            ]
          }
        ]
      ]
    },
    "submitEvidence": {
      "selector": "0x9f7dcaec",
      "source": "function submitEvidence(bytes evidence) returns (uint256 punished, uint256 reward)",
      "mutability": "nonpayable",
      "inputs": [
        ["evidence", "bytes"]
      ],
      "outputs": [
        ["punished", "uint256"],
        ["reward", "uint256"]
      ]
    },
    "unjail": {
      "selector": "0xf679d305",
      "source": "function unjail()",
      "mutability": "nonpayable",
      "inputs": [],
      "outputs": []
    },
    "window": {
      "selector": "0x461645bf",
      "source": "function window() view returns (uint64 blocks, uint64 since, uint64 missedMax)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        ["blocks", "uint64"],
        ["since", "uint64"],
        ["missedMax", "uint64"]
      ]
    }
  },
  "events": {
    "Jailed": {
      "topic": "0x3070ea7dc648d7f0fea8e6140fbb72243f7fce077d0c7bd9856075ec037b3aa1",
      "source": "event Jailed(address indexed operator, uint64 until)",
      "indexed": [
        ["operator", "address"]
      ],
      "plain": [
        ["until", "uint64"]
      ]
    },
    "Punished": {
      "topic": "0x344f02407c13580c1ef1fb41cc66dad1683b598e504b19fc0dc7a0d3eacf0810",
      "source": "event Punished(address indexed operator, string offence, uint64 height, uint64 round, uint256 slashed, address indexed reporter)",
      "indexed": [
        ["operator", "address"],
        ["reporter", "address"]
      ],
      "plain": [
        ["offence", "string"],
        ["height", "uint64"],
        ["round", "uint64"],
        ["slashed", "uint256"]
      ]
    },
    "Rewarded": {
      "topic": "0x291e8ba3c0f4b0bd86e6e2346fcee1e7ca0975b1cc1886bfbc722d34f3f24d91",
      "source": "event Rewarded(address indexed reporter, uint256 reward, uint256 feeRefund)",
      "indexed": [
        ["reporter", "address"]
      ],
      "plain": [
        ["reward", "uint256"],
        ["feeRefund", "uint256"]
      ]
    },
    "Slept": {
      "topic": "0x3a1dbf1bd4111b873a9a2c572191e87343917dd3ee8594f3da253332fde6c76c",
      "source": "event Slept(address indexed operator, uint64 missed, uint64 window, uint256 slashed, uint64 jailedUntil)",
      "indexed": [
        ["operator", "address"]
      ],
      "plain": [
        ["missed", "uint64"],
        ["window", "uint64"],
        ["slashed", "uint256"],
        ["jailedUntil", "uint64"]
      ]
    },
    "Unjailed": {
      "topic": "0xfa5039497ad9ba11f0eb5239b2614e925541bbcc0cf3476dd68e1927c86d33ff",
      "source": "event Unjailed(address indexed operator)",
      "indexed": [
        ["operator", "address"]
      ],
      "plain": []
    }
  },
  "errors": {
    "AlreadyPunished": {
      "selector": "0x5cbb1bd1",
      "source": "error AlreadyPunished()",
      "inputs": []
    },
    "EvidenceForged": {
      "selector": "0x6d1a99da",
      "source": "error EvidenceForged(string reason)",
      "inputs": [
        ["reason", "string"]
      ]
    },
    "EvidenceMalformed": {
      "selector": "0x89189cf2",
      "source": "error EvidenceMalformed(string reason)",
      "inputs": [
        ["reason", "string"]
      ]
    },
    "EvidenceTooOld": {
      "selector": "0x374cae06",
      "source": "error EvidenceTooOld(uint64 height, uint64 electedAt, uint64 oldest)",
      "inputs": [
        ["height", "uint64"],
        ["electedAt", "uint64"],
        ["oldest", "uint64"]
      ]
    },
    "EvidenceUnknown": {
      "selector": "0x30a5c756",
      "source": "error EvidenceUnknown(string reason)",
      "inputs": [
        ["reason", "string"]
      ]
    },
    "NotJailed": {
      "selector": "0x9281fbd2",
      "source": "error NotJailed(address operator)",
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
    "StillJailed": {
      "selector": "0x45a74b4b",
      "source": "error StillJailed(address operator, uint64 until)",
      "inputs": [
        ["operator", "address"],
        ["until", "uint64"]
      ]
    },
    "Tombstoned": {
      "selector": "0xa300d73e",
      "source": "error Tombstoned(address operator)",
      "inputs": [
        ["operator", "address"]
      ]
    }
  }
} as const satisfies Abi
