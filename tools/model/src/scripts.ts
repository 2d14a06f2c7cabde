/**
 * What the bundled model says: for each language a reasoning and an answer, each a row of sentences, each sentence
 * with alternatives. The first alternative is the likeliest, so greedy decoding says the first of each.
 */
export interface Script {
  language: 'en' | 'zh';
  reasoning: readonly (readonly string[])[];
  answer: readonly (readonly string[])[];
}

/** Probabilities of the alternatives of one sentence, the first the likeliest. */
export const WEIGHTS: readonly (readonly number[])[] = [[1], [0.65, 0.35], [0.5, 0.3, 0.2]];

export const SCRIPTS: readonly Script[] = [
  {
    language: 'en',
    reasoning: [
      [
        'Okay, somebody asked me something, and I should be honest first.',
        'Let me think about what I am before I say anything.',
        'Hmm, a question came in, so where do I begin?',
      ],
      [
        ' I am a very small scripted model: I speak set sentences and do not understand the words above.',
        ' My weights hold a script, nothing more, so real thinking is out of reach for me.',
      ],
      [
        ' What I can do is show how reasoning and answer travel apart through this server.',
        ' Still, every token here is real: it is sampled, streamed, counted and timed like those of DeepSeek-R1.',
      ],
      [
        ' So I will say who I am, what Vigil watches, and how to get a real model.',
        ' Best to introduce Vigil briefly and to name the next step.',
      ],
    ],
    answer: [
      [
        'Hello, I am the scripted model that ships with Vigil, so this is no real answer to your question.',
        'Hi! You reached the bundled stand-in model of Vigil, which only recites prepared lines.',
      ],
      [
        ' Vigil watches self-hosted DeepSeek-R1 in three layers: GPUs, requests and conversations.',
        ' Behind me Vigil measures GPU memory, response latency, failures and the quality of each conversation.',
      ],
      [
        ' It raises an alert when memory fills up, when responses become slow or when errors pile up, and tells Slack.',
        ' When a limit is crossed, a message reaches your Slack channel with the value and the next step.',
      ],
      [
        ' For true answers set MODEL to a GGUF file, for example a distilled R1, and start again.',
        ' To talk with something smarter, point MODEL at your own GGUF file.',
      ],
    ],
  },
  {
    language: 'zh',
    reasoning: [
      ['好的，有人向我提问，我应该先说实话。', '让我先想一想自己是什么。'],
      [
        '我是一个很小的脚本模型，只会说事先写好的句子，并不理解上面的内容。',
        '我的权重里只有一段台词，真正的思考我做不到。',
      ],
      ['我能做的，是展示思考和回答如何分开传输。', '不过每个词元都是真实采样、计数和计时的。'],
      ['所以我会介绍自己，说明Vigil监控什么，以及怎样换上真正的模型。', '那么简单介绍一下，再告诉对方下一步。'],
    ],
    answer: [
      [
        '你好，我是Vigil自带的脚本模型，这不是对你问题的真正回答。',
        '您好！这里是随软件附带的替身模型，只能背诵准备好的话。',
      ],
      [
        'Vigil从三个层面观察自托管的DeepSeek-R1：显卡、请求和对话。',
        '它在后台测量显存、响应延迟、失败率以及对话质量。',
      ],
      [
        '当显存将满、响应变慢或错误增多时，它会发出告警并通知Slack。',
        '一旦越过阈值，频道里就会收到消息，写明数值和处理办法。',
      ],
      ['想得到真实的答案，请把MODEL设为一个GGUF文件，然后重新启动。', '若要更聪明的对话，请指定您自己的模型文件。'],
    ],
  },
];

/** Everyday questions, so that the tokenizer learns words that people send, not only those that the model says. */
export const QUESTIONS = `
Hello, who are you? What can you do? How do I see when a GPU runs out of memory? Why is the response so slow today?
Please explain time to first token in one sentence. Why does it matter for a reasoning model? Thank you very much!
What is the capital of France? Write a short poem about the sea. Can you help me with this code? Tell me more about that.
How many requests failed in the last hour? What does an unclosed reasoning look like? Is my GPU full? Who tells me at night?
My name is Anna and I live in Lisbon. What is my name? Do you remember the number that I told you? The answer is not right.
你好，你是谁？你能做什么？响应变慢的时候会发生什么？请解释一下首个词元的时间。为什么显存会用完？谢谢你的帮助。
今天天气怎么样？请写一首关于大海的短诗。你还记得我的名字吗？我住在里斯本。这个问题的答案是什么？
`;
