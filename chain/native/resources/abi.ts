// Generated from IResources.sol by `npm run gen`. Do not edit.
import type { Abi } from '../kit/abi.ts'

export const abi = {
  "functions": {
    "claim": {
      "selector": "0x379607f5",
      "source": "function claim(uint256 id) returns (uint256 reward)",
      "mutability": "nonpayable",
      "inputs": [
        ["id", "uint256"]
      ],
      "outputs": [
        ["reward", "uint256"]
      ]
    },
    "fund": {
      "selector": "0x7b1837de",
      "source": "function fund(address token, uint256 amount)",
      "mutability": "nonpayable",
      "inputs": [
        ["token", "address"],
        ["amount", "uint256"]
      ],
      "outputs": []
    },
    "grantMinter": {
      "selector": "0x5425df15",
      "source": "function grantMinter(address token, address account)",
      "mutability": "nonpayable",
      "inputs": [
        ["token", "address"],
        ["account", "address"]
      ],
      "outputs": []
    },
    "isMinter": {
      "selector": "0xda6b6a1c",
      "source": "function isMinter(address token, address account) view returns (bool)",
      "mutability": "view",
      "inputs": [
        ["token", "address"],
        ["account", "address"]
      ],
      "outputs": [
        [
          "",
          "bool"
        ]
      ]
    },
    "parameters": {
      "selector": "0x89035730",
      "source": "function parameters() view returns (uint256 rewardRate, uint256 maxDuration)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        ["rewardRate", "uint256"],
        ["maxDuration", "uint256"]
      ]
    },
    "poolOf": {
      "selector": "0x988b1fa7",
      "source": "function poolOf(address token) view returns ((uint256,uint256,uint256) pool)",
      "mutability": "view",
      "inputs": [
        ["token", "address"]
      ],
      "outputs": [
        [
          "pool",
          {
            "tuple": [
              ["available", "uint256"],
              ["reserved", "uint256"],
              ["staked", "uint256"]
            ]
          }
        ]
      ]
    },
    "quote": {
      "selector": "0x8f79306e",
      "source": "function quote(address token, uint256 amount) view returns (uint256 price)",
      "mutability": "view",
      "inputs": [
        ["token", "address"],
        ["amount", "uint256"]
      ],
      "outputs": [
        ["price", "uint256"]
      ]
    },
    "revokeMinter": {
      "selector": "0x87bafe5f",
      "source": "function revokeMinter(address token, address account)",
      "mutability": "nonpayable",
      "inputs": [
        ["token", "address"],
        ["account", "address"]
      ],
      "outputs": []
    },
    "rewardOf": {
      "selector": "0x3bf2a83e",
      "source": "function rewardOf(uint256 amount, uint256 duration) view returns (uint256 reward)",
      "mutability": "view",
      "inputs": [
        ["amount", "uint256"],
        ["duration", "uint256"]
      ],
      "outputs": [
        ["reward", "uint256"]
      ]
    },
    "setCap": {
      "selector": "0x80ad2cf3",
      "source": "function setCap(address token, uint256 cap)",
      "mutability": "nonpayable",
      "inputs": [
        ["token", "address"],
        ["cap", "uint256"]
      ],
      "outputs": []
    },
    "stake": {
      "selector": "0x0c51b88f",
      "source": "function stake(address token, uint256 amount, uint256 duration) returns (uint256 id)",
      "mutability": "nonpayable",
      "inputs": [
        ["token", "address"],
        ["amount", "uint256"],
        ["duration", "uint256"]
      ],
      "outputs": [
        ["id", "uint256"]
      ]
    },
    "stakeCount": {
      "selector": "0x33060d90",
      "source": "function stakeCount(address owner) view returns (uint256 count)",
      "mutability": "view",
      "inputs": [
        ["owner", "address"]
      ],
      "outputs": [
        ["count", "uint256"]
      ]
    },
    "stakeOf": {
      "selector": "0xed87169c",
      "source": "function stakeOf(address owner, uint256 id) view returns ((address,uint256,uint256,uint256,uint64,uint64) found)",
      "mutability": "view",
      "inputs": [
        ["owner", "address"],
        ["id", "uint256"]
      ],
      "outputs": [
        [
          "found",
          {
            "tuple": [
              ["token", "address"],
              ["amount", "uint256"],
              ["reward", "uint256"],
              ["earned", "uint256"],
              ["start", "uint64"],
              ["end", "uint64"]
            ]
          }
        ]
      ]
    },
    "stakes": {
      "selector": "0xf52b619a",
      "source": "function stakes(address owner, uint256 from, uint256 count) view returns ((address,uint256,uint256,uint256,uint64,uint64)[] page)",
      "mutability": "view",
      "inputs": [
        ["owner", "address"],
        ["from", "uint256"],
        ["count", "uint256"]
      ],
      "outputs": [
        [
          "page",
          {
            "list": {
              "tuple": [
                ["token", "address"],
                ["amount", "uint256"],
                ["reward", "uint256"],
                ["earned", "uint256"],
                ["start", "uint64"],
                ["end", "uint64"]
              ]
            }
          }
        ]
      ]
    },
    "tokens": {
      "selector": "0x9d63848a",
      "source": "function tokens() view returns ((address,string,string,uint256,uint256,uint256,uint256)[] all)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        [
          "all",
          {
            "list": {
              "tuple": [
                ["token", "address"],
                ["symbol", "string"],
                ["unit", "string"],
                ["totalSupply", "uint256"],
                ["cap", "uint256"],
                ["dollars", "uint256"],
                ["price", "uint256"]
              ]
            }
          }
        ]
      ]
    },
    "unstake": {
      "selector": "0x2e17de78",
      "source": "function unstake(uint256 id) returns (uint256 amount, uint256 reward)",
      "mutability": "nonpayable",
      "inputs": [
        ["id", "uint256"]
      ],
      "outputs": [
        ["amount", "uint256"],
        ["reward", "uint256"]
      ]
    }
  },
  "events": {
    "CapChanged": {
      "topic": "0x6bc200110c7794738d401810b22ef824a2044a8ccb022d4ad8769840370331f5",
      "source": "event CapChanged(address indexed token, uint256 oldCap, uint256 newCap)",
      "indexed": [
        ["token", "address"]
      ],
      "plain": [
        ["oldCap", "uint256"],
        ["newCap", "uint256"]
      ]
    },
    "MinterGranted": {
      "topic": "0xf817738e1936b6ebd3a9096b0dfb061ebd0c62ac3c8314747d2c1d3bff7780c5",
      "source": "event MinterGranted(address indexed token, address indexed account)",
      "indexed": [
        ["token", "address"],
        ["account", "address"]
      ],
      "plain": []
    },
    "MinterRevoked": {
      "topic": "0xba8a7a325bb7817f3cbafc48fdfe12791fdfac715bdc661319ef84e75c4d407c",
      "source": "event MinterRevoked(address indexed token, address indexed account)",
      "indexed": [
        ["token", "address"],
        ["account", "address"]
      ],
      "plain": []
    },
    "PoolFunded": {
      "topic": "0xaa1ff9f7fea9b0b6004b27d6dafaf7545a080426cc7115c6a8bd9019957c4353",
      "source": "event PoolFunded(address indexed token, address indexed from, uint256 amount)",
      "indexed": [
        ["token", "address"],
        ["from", "address"]
      ],
      "plain": [
        ["amount", "uint256"]
      ]
    },
    "RewardClaimed": {
      "topic": "0x7a84a08b02c91f3c62d572853f966fc799bbd121e8ad7833a4494ab8dcfcb404",
      "source": "event RewardClaimed(address indexed owner, address indexed token, uint256 id, uint256 reward)",
      "indexed": [
        ["owner", "address"],
        ["token", "address"]
      ],
      "plain": [
        ["id", "uint256"],
        ["reward", "uint256"]
      ]
    },
    "Staked": {
      "topic": "0x342d636dd321289cc90d8690fd545d00320f3811a1a8a69cca0a7bb65f665d30",
      "source": "event Staked(address indexed owner, address indexed token, uint256 id, uint256 amount, uint256 reward, uint64 end)",
      "indexed": [
        ["owner", "address"],
        ["token", "address"]
      ],
      "plain": [
        ["id", "uint256"],
        ["amount", "uint256"],
        ["reward", "uint256"],
        ["end", "uint64"]
      ]
    },
    "Unstaked": {
      "topic": "0x9ad65b6c7ddab48c57c60229304ab9d8a7726f680d2319c0704c705eb3f8c635",
      "source": "event Unstaked(address indexed owner, address indexed token, uint256 id, uint256 amount, uint256 forfeited)",
      "indexed": [
        ["owner", "address"],
        ["token", "address"]
      ],
      "plain": [
        ["id", "uint256"],
        ["amount", "uint256"],
        ["forfeited", "uint256"]
      ]
    }
  },
  "errors": {
    "BadDuration": {
      "selector": "0x0c6821fd",
      "source": "error BadDuration(uint256 given, uint256 maximum)",
      "inputs": [
        ["given", "uint256"],
        ["maximum", "uint256"]
      ]
    },
    "CapBelowSupply": {
      "selector": "0x80e641ec",
      "source": "error CapBelowSupply(uint256 given, uint256 supply)",
      "inputs": [
        ["given", "uint256"],
        ["supply", "uint256"]
      ]
    },
    "ERC20InsufficientBalance": {
      "selector": "0xe450d38c",
      "source": "error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed)",
      "inputs": [
        ["sender", "address"],
        ["balance", "uint256"],
        ["needed", "uint256"]
      ]
    },
    "NoSuchStake": {
      "selector": "0x2aea3c2e",
      "source": "error NoSuchStake(address owner, uint256 id)",
      "inputs": [
        ["owner", "address"],
        ["id", "uint256"]
      ]
    },
    "NotGovernance": {
      "selector": "0x988d1f03",
      "source": "error NotGovernance(address caller)",
      "inputs": [
        ["caller", "address"]
      ]
    },
    "NothingToClaim": {
      "selector": "0xf9489585",
      "source": "error NothingToClaim(uint256 id)",
      "inputs": [
        ["id", "uint256"]
      ]
    },
    "PoolTooSmall": {
      "selector": "0x41142f68",
      "source": "error PoolTooSmall(address token, uint256 needed, uint256 available)",
      "inputs": [
        ["token", "address"],
        ["needed", "uint256"],
        ["available", "uint256"]
      ]
    },
    "StillRunning": {
      "selector": "0x946c2f1f",
      "source": "error StillRunning(uint256 id, uint64 end)",
      "inputs": [
        ["id", "uint256"],
        ["end", "uint64"]
      ]
    },
    "UnknownToken": {
      "selector": "0x81a3b1be",
      "source": "error UnknownToken(address token)",
      "inputs": [
        ["token", "address"]
      ]
    },
    "ZeroAmount": {
      "selector": "0x1f2a2005",
      "source": "error ZeroAmount()",
      "inputs": []
    }
  }
} as const satisfies Abi
